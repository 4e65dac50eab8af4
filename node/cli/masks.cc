#include "node/cli/masks.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "mpc/sharing/shamir.h"
#include "node/loop/key_file.h"
#include "node/rpc/client.h"
#include "node/rpc/methods.h"
#include "proto/crypto/ecies.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kMaskPatience{60};
// After the masks are decoded, how long the other validators may still answer to be checked.
constexpr std::chrono::milliseconds kMaskGrace{1000};

// A fresh key that this one exchange is sealed to.
Result<proto::SecretKey> EphemeralKey() {
  return proto::SecretKey::From(Entropy(32));
}

// One validator's answer: checked and opened.
Result<std::vector<mpc::Fp>> OpenShares(const Client& client, const Members& members, PartyId party,
                                        std::uint64_t request, const proto::SecretKey& ephemeral,
                                        std::size_t count, const json& answer) {
  const auto sealed = proto::FromHex(answer.value("sealed", ""));
  const auto signature = proto::FromHex(answer.value("signature", ""));
  const auto bad = [](const char* why) {
    return Fail(ErrorCode::kCorrupt, std::string("an answer is ") + why);
  };
  if (!sealed || !signature || signature->size() != 64) return bad("malformed");
  if (!proto::Verify(members.keys[Index(party)],
                     MaskAnswerDigest(client.chain(), request, ephemeral.public_key(), *sealed),
                     *proto::Signature::From(*signature))) {
    return bad("not signed by its validator");
  }
  const auto plain =
      proto::OpenSealed(ephemeral, MaskContext(client.chain(), request, party), *sealed);
  if (!plain) return tl::unexpected(plain.error());
  if (plain->size() != count * mpc::Fp::kBytes) return bad("of the wrong length");
  std::vector<mpc::Fp> shares;
  for (std::size_t i = 0; i < count; ++i) {
    const auto share = mpc::Fp::FromBytes(std::span<const std::uint8_t, mpc::Fp::kBytes>(
        plain->data() + i * mpc::Fp::kBytes, mpc::Fp::kBytes));
    if (!share) return bad("not made of field elements");
    shares.push_back(*share);
  }
  return shares;
}

// Answers of the validators as they come. Shared with the asking threads, which may outlive the
// question: a validator that never answers holds up nobody.
struct Gathering {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::pair<PartyId, Result<json>>> answers;
};

std::shared_ptr<Gathering> AskAll(const std::vector<proto::ValidatorSpec>& members,
                                  const std::string& method, const json& params) {
  auto gathering = std::make_shared<Gathering>();
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::thread([gathering, i, method, params, address = members[i].rpc_address] {
      auto answer = Call(address, method, params);
      const std::lock_guard lock(gathering->mutex);
      gathering->answers.emplace_back(static_cast<PartyId>(i), std::move(answer));
      gathering->arrived.notify_one();
    }).detach();
  }
  return gathering;
}

}  // namespace

Result<Computing> WhoComputes(const Client& client, std::uint64_t attempt) {
  const auto bundle = client.Any("attempt", {{"id", attempt}});
  if (!bundle) return tl::unexpected(bundle.error());
  const auto epoch = client.Epoch(bundle->value("epoch", proto::kFirstEpoch));
  if (!epoch) return tl::unexpected(epoch.error());
  if (epoch->computing.empty()) {
    return Fail(ErrorCode::kUnavailable, "nobody computes in the bundle's epoch");
  }
  Computing computing{Members(epoch->number, epoch->computing_keys()), {}};
  for (const PartyId party : epoch->computing) {
    computing.validators.push_back(epoch->validators[Index(party)]);
  }
  return computing;
}

Result<Masks> GatherMasks(const Client& client, const Computing& computing, std::uint64_t request,
                          std::size_t count) {
  const auto& [members, validators] = computing;
  const auto ephemeral = EphemeralKey();
  if (!ephemeral) return tl::unexpected(ephemeral.error());
  const auto signature =
      client.key().Sign(MaskQuestionDigest(client.chain(), request, ephemeral->public_key()));
  const auto gathering = AskAll(validators, "mask_shares",
                                {{"request", request},
                                 {"ephemeral_key", ephemeral->public_key().hex()},
                                 {"signature", proto::ToHex(signature.span())}});
  mpc::RobustDecoder decoder(members.committee, count);
  std::vector<bool> answered(validators.size());
  std::string reason = "no answer in time";
  auto deadline = steady_clock::now() + kMaskPatience;
  std::unique_lock lock(gathering->mutex);
  for (std::size_t seen = 0; seen < validators.size(); ++seen) {
    if (!gathering->arrived.wait_until(lock, deadline,
                                       [&] { return gathering->answers.size() > seen; })) {
      break;
    }
    const auto& [party, answer] = gathering->answers[seen];
    auto shares = answer ? OpenShares(client, members, party, request, *ephemeral, count, *answer)
                         : tl::unexpected(answer.error());
    if (!shares) {
      reason = shares.error().message;
      continue;
    }
    answered[Index(party)] = true;
    decoder.Add(party, std::move(*shares));
    if (decoder.decoded()) deadline = std::min(deadline, steady_clock::now() + kMaskGrace);
  }
  if (!decoder.decoded()) {
    return Fail(ErrorCode::kUnavailable,
                "too few validators gave good shares of the masks (" + reason + ")");
  }
  Masks masks;
  masks.values = decoder.values();
  for (const PartyId party : decoder.wrong()) masks.wrong.push_back(validators[Index(party)].name);
  for (std::size_t i = 0; i < validators.size(); ++i) {
    if (!answered[i]) masks.silent.push_back(validators[i].name);
  }
  return masks;
}

}  // namespace node
