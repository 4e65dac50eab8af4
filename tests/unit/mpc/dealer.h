// A trusted dealer for tests: a committee with all its keys, sharings of given values, and bundles
// computed in the clear, in the layout of mpc/preprocessing/bundle.h.
#pragma once

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "mpc/functions/trig.h"
#include "mpc/online/operations.h"
#include "mpc/party.h"
#include "mpc/plan/plan.h"
#include "mpc/preprocessing/bundle.h"
#include "mpc/sharing/replicated.h"
#include "mpc/sharing/shamir.h"
#include "proto/base/check.h"
#include "proto/crypto/hash.h"

namespace mpc {

class Dealer {
 public:
  static constexpr std::uint64_t kEpoch = 1;

  explicit Dealer(std::uint16_t n, std::uint64_t seed = 1)
      : committee_(n), random_(seed), sets_(committee_) {
    const auto entropy = [seed](std::uint64_t purpose) {
      return proto::Hasher("test dealer").Add(seed).Add(purpose).Finish();
    };
    replicated_ = DealReplicatedKeys(sets_, entropy(0).span());
    proto::CoinKeys coin = proto::DealCoin(committee_, committee_.validity(), entropy(1).span());
    coin_secrets_ = std::move(coin.secrets);
    std::vector<proto::PublicKey> public_keys;
    for (std::uint16_t i = 0; i < n; ++i) {
      keys_.push_back(std::move(*proto::SecretKey::From(entropy(2u + i).span())));
      public_keys.push_back(keys_.back().public_key());
    }
    for (std::uint16_t i = 0; i < n; ++i) {
      contexts_.push_back({committee_, proto::PartyId{i}, &keys_[i], public_keys, entropy(~0ull),
                           kEpoch, &sets_, &replicated_[i], coin.public_key, &coin_secrets_[i]});
    }
  }
  Dealer(const Dealer&) = delete;  // Contexts point into it.
  Dealer& operator=(const Dealer&) = delete;

  const proto::Committee& committee() const { return committee_; }
  const ReplicatedSets& sets() const { return sets_; }
  const PartyContext& context(std::uint16_t party) const { return contexts_[party]; }
  Prss prss(std::uint16_t party) const { return {sets_, replicated_[party]}; }
  std::mt19937_64& random() { return random_; }
  Fp RandomElement() { return Fp::FromUnsigned(UInt128{random_()} << 64 | random_()); }

  // shares[party][i] of values[i], degree t.
  std::vector<std::vector<Fp>> Share(const std::vector<Fp>& values) {
    std::vector<std::vector<Fp>> shares(committee_.size(), values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      for (int degree = 1; degree <= committee_.max_faulty(); ++degree) {
        const Fp coefficient = RandomElement();
        for (std::uint16_t party = 0; party < committee_.size(); ++party) {
          shares[party][i] +=
              coefficient * Point(proto::PartyId{party}).Power(static_cast<UInt128>(degree));
        }
      }
    }
    return shares;
  }

  // The values behind shares of all parties, which must agree.
  std::vector<Fp> Open(const std::vector<std::vector<Fp>>& shares) const {
    RobustDecoder decoder(committee_, shares[0].size());
    for (std::uint16_t i = 0; i < committee_.size(); ++i) {
      decoder.Add(proto::PartyId{i}, shares[i]);
    }
    CHECK(decoder.decoded() && decoder.wrong().empty());
    return decoder.values();
  }

  // What all parties' bundles hide.
  struct Dealt {
    std::vector<Bundle> bundles;  // By party.
    std::vector<Fp> token_masks;
    std::vector<Fp> output_masks;
  };
  Dealt Deal(const Plan& plan, std::uint64_t attempt = 1) {
    Dealt dealt;
    Bundle empty{kEpoch, attempt, PlanDigest(EncodePlan(plan)), {}, {}};
    empty.slots.resize(plan.ops.size());
    dealt.bundles.assign(committee_.size(), empty);
    std::vector<std::vector<Fp>> masks(plan.ops.size());  // [L] of wires, in the clear.
    for (TensorId id = 0; id < plan.ops.size(); ++id) {
      const Op& op = plan.ops[id];
      if (op.kind == OpKind::kOpen) {
        masks[id] = DealOpen(op, {kEpoch, attempt, id, Purpose::kMask}, id, dealt);
        continue;
      }
      if (op.wire) masks[id] = Homogeneous(plan, op, masks);
      std::vector<Fp> slot = Slot(plan, op, masks);
      if (op.kind == OpKind::kEmbed) dealt.token_masks.assign(slot.end() - plan.tokens, slot.end());
      if (op.kind == OpKind::kOutput) dealt.output_masks = slot;
      Put(id, Share(slot), dealt);
    }
    return dealt;
  }

 private:
  void Put(TensorId id, const std::vector<std::vector<Fp>>& shares, Dealt& dealt) const {
    for (std::size_t party = 0; party < shares.size(); ++party) {
      auto& slot = dealt.bundles[party].slots[id];
      slot.insert(slot.end(), shares[party].begin(), shares[party].end());
    }
  }

  std::vector<Fp> DealOpen(const Op& op, const Label& label, TensorId id, Dealt& dealt) const {
    std::vector<UInt128> parts(sets_.count() * op.size());
    std::vector<std::vector<Fp>> r;
    std::vector<std::vector<Fp>> l;
    for (std::uint16_t i = 0; i < committee_.size(); ++i) {
      const ReplicatedKeys keys = replicated_[i].ForAttempt(label.epoch, label.attempt);
      const Prss prss(sets_, keys);
      const MaskParts own = prss.Bounded(label, op.size());
      r.push_back(prss.ShareOf(own, 0));
      l.push_back(prss.ShareOf(own, op.drop));
      for (std::size_t k = 0; k < parts.size(); ++k) parts[k] = std::max(parts[k], own.parts[k]);
    }
    Put(id, r, dealt);
    Put(id, l, dealt);
    std::vector<Fp> mask(op.size());
    for (std::size_t k = 0; k < parts.size(); ++k) {
      mask[k % op.size()] += Fp::FromUnsigned(parts[k] >> op.drop);
    }
    return mask;
  }

  // What a linear map does to masks: its value less its value at zero.
  static std::vector<Fp> Homogeneous(const Plan& plan, Op op,
                                     const std::vector<std::vector<Fp>>& masks) {
    op.wire = false;
    const auto at = [&](bool zero) {
      std::vector<Tensor> inputs;
      std::vector<const Tensor*> pointers;
      for (const TensorId input : op.inputs) {
        const Op& in = plan.ops[input];
        inputs.push_back({in.rows, in.cols, false, {}, masks[input]});
        if (zero) inputs.back().share.assign(in.size(), Fp());
      }
      for (const Tensor& input : inputs) pointers.push_back(&input);
      return Compute(plan, op, pointers, {}).share;
    };
    std::vector<Fp> result = at(false);
    const std::vector<Fp> constant = at(true);
    for (std::size_t i = 0; i < result.size(); ++i) result[i] -= constant[i];
    return result;
  }

  std::vector<Fp> Slot(const Plan& plan, const Op& op, const std::vector<std::vector<Fp>>& masks) {
    std::vector<Fp> slot;
    const auto in = [&](std::size_t i) -> const Op& { return plan.ops[op.inputs[i]]; };
    const auto mask = [&](std::size_t i, std::size_t row, std::size_t col) {
      return masks[op.inputs[i]][row * in(i).cols + col];
    };
    switch (op.kind) {
      case OpKind::kEmbed: {
        const std::uint64_t padded = plan.vocabulary_padded();
        std::vector<Fp> tokens;
        for (std::uint32_t i = 0; i < plan.tokens; ++i) {
          const std::uint64_t r = random_() % padded;
          for (std::uint64_t k = 0; k < padded; ++k) slot.push_back(Fp(k == r ? 1 : 0));
          tokens.push_back(Fp(static_cast<std::int64_t>(r)));
        }
        slot.insert(slot.end(), tokens.begin(), tokens.end());
        break;
      }
      case OpKind::kMul:
        for (std::size_t i = 0; i < op.size(); ++i) {
          slot.push_back(masks[op.inputs[0]][i] *
                         mask(1, i / op.cols, in(1).cols == 1 ? 0 : i % op.cols));
        }
        break;
      case OpKind::kRowDot:
        for (std::size_t i = 0; i < op.rows; ++i) {
          Fp sum;
          for (std::size_t j = 0; j < in(0).cols; ++j) sum += mask(0, i, j) * mask(1, i, j);
          slot.push_back(sum);
        }
        break;
      case OpKind::kScores:
        for (std::size_t row = 0; row < op.rows; ++row) {
          const std::size_t width = in(0).cols / op.heads;
          const std::size_t first = row / in(0).rows * width;
          for (std::size_t j = 0; j < op.cols; ++j) {
            Fp sum;
            for (std::size_t c = first; c < first + width; ++c) {
              sum += mask(0, row % in(0).rows, c) * mask(1, j, c);
            }
            slot.push_back(sum);
          }
        }
        break;
      case OpKind::kMix:
        for (std::size_t i = 0; i < op.rows; ++i) {
          for (std::size_t c = 0; c < op.cols; ++c) {
            const std::size_t head = c / (op.cols / op.heads);
            Fp sum;
            for (std::size_t j = 0; j < in(1).rows; ++j) {
              sum += mask(0, head * op.rows + i, j) * mask(1, j, c);
            }
            slot.push_back(sum);
          }
        }
        break;
      case OpKind::kSeries: {
        const std::vector<Fp>& l = masks[op.inputs[0]];
        if (op.series.poly.size() > 2) {
          for (const Fp x : l) slot.push_back(x * x);
        }
        for (std::size_t k = 1; k <= op.series.cosine.size(); ++k) {
          std::vector<Fp> sines;
          for (const Fp x : l) {
            const CosSin angle =
                IntegerCosSin(x.ToSigned() % op.series.period * static_cast<Int128>(k),
                              op.series.period, op.series.phase_bits);
            slot.push_back(Fp(angle.cos));
            sines.push_back(Fp(angle.sin));
          }
          slot.insert(slot.end(), sines.begin(), sines.end());
        }
        break;
      }
      case OpKind::kLookup: {
        const std::uint64_t entries = std::uint64_t{1} << op.digit_bits;
        std::vector<Fp> low;
        for (std::uint32_t i = 0; i < op.rows; ++i) {
          const std::uint64_t r = random_() % entries;
          for (std::uint64_t k = 0; k < entries; ++k) slot.push_back(Fp(k == r ? 1 : 0));
          const UInt128 high = random_();
          low.push_back(Fp::FromUnsigned(r + (high << op.digit_bits)));
        }
        slot.insert(slot.end(), low.begin(), low.end());
        break;
      }
      case OpKind::kOutput:
        for (std::size_t i = 0; i < op.size(); ++i) slot.push_back(RandomElement());
        break;
      default:
        break;
    }
    return slot;
  }

  proto::Committee committee_;
  std::mt19937_64 random_;
  ReplicatedSets sets_;
  std::vector<ReplicatedKeys> replicated_;
  std::vector<proto::CoinSecret> coin_secrets_;
  std::vector<proto::SecretKey> keys_;
  std::vector<PartyContext> contexts_;
};

}  // namespace mpc
