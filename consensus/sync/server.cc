#include "consensus/sync/server.h"

#include <algorithm>
#include <utility>

namespace consensus {

using proto::PartyId;

void Server::Answer(PartyId from, const Request& request, Step& step) {
  if (!MayAnswer(from)) return;
  std::size_t bytes = 0;
  for (const auto& reference : request.certificates) {
    auto certificate = store_.FindCertificate(reference.round, reference.author);
    if (!certificate || certificate->header.digest != reference.digest) continue;
    step.Send({from}, std::move(*certificate));
  }
  for (const auto& digest : request.batches) {
    auto batch = store_.FindBatch(digest);
    if (!batch) continue;
    bytes += batch->bytes.size();
    if (bytes > kAnswerBytesMax) break;
    step.Send({from}, std::move(*batch));
  }
}

void Server::Answer(PartyId from, const RangeRequest& request, std::uint64_t oldest,
                    std::uint64_t highest, Step& step) {
  if (!MayAnswer(from)) return;
  RangeAnswer answer{request.first_round, request.first_round, oldest, highest, {}};
  std::size_t bytes = 0;
  const std::uint64_t end =
      request.first_round < oldest
          ? request.first_round
          : std::min(highest + 1, request.first_round + std::min(kRangeRoundsMax, highest));
  for (std::uint64_t round = request.first_round; round < end; ++round) {
    std::vector<Certificate> certificates;
    for (std::uint16_t i = 0; i < config_.committee.size(); ++i) {
      auto certificate = store_.FindCertificate(round, static_cast<PartyId>(i));
      if (!certificate) continue;
      bytes += certificate->header.body.size() + 80 * (certificate->votes.size() + 1);
      certificates.push_back(std::move(*certificate));
    }
    const std::size_t count = answer.certificates.size() + certificates.size();
    const bool fits =
        bytes <= proto::dag::kRangeBytesMax && count <= proto::dag::kRangeCertificatesMax;
    if (!fits && !answer.certificates.empty()) break;
    std::move(certificates.begin(), certificates.end(), std::back_inserter(answer.certificates));
    answer.next_round = round + 1;
  }
  step.Send({from}, std::move(answer));
}

}  // namespace consensus
