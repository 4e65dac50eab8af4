#include "consensus/core/unordered.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace consensus {

using proto::Bytes;

proto::Result<std::vector<Bytes>> Unordered(const Config& config, const Archive& archive,
                                            std::uint64_t index) {
  Store store(config.committee, archive);
  std::vector<Bytes> transactions;
  const auto take = [&](const proto::Digest& digest) {
    if (auto batch = store.FindBatch(digest)) {
      std::ranges::move(batch->transactions, std::back_inserter(transactions));
    }
  };
  const Own own = store.FindOwn().value_or(Own{});
  for (const OwnBatch& batch : own.batches) take(batch.reference.digest);
  for (std::uint64_t i = own.pending_first; i < own.pending_next; ++i) {
    if (auto part = store.FindPending(i)) {
      std::ranges::move(part->transactions, std::back_inserter(transactions));
    }
  }
  // Ordered after the ledger's last commit of the epoch.
  const std::uint64_t last =
      store.FindState()
          .value_or(State{0, config.commits_before, 0, config.commits_before})
          .commit_index;
  for (++index; index <= last; ++index) {
    const auto commit = store.FindCommit(index);
    if (!commit) continue;
    for (const Reference& vertex : commit->vertices) {
      if (vertex.author != config.self) continue;
      const auto certificate = store.FindCertificate(vertex.round, vertex.author);
      if (!certificate) continue;
      for (const BatchReference& batch : certificate->header.batches) {
        if (std::ranges::count(commit->batches, batch.digest) > 0) take(batch.digest);
      }
    }
  }
  if (store.damage()) return proto::Fail(proto::ErrorCode::kCorrupt, *store.damage());
  return transactions;
}

}  // namespace consensus
