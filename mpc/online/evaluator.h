// The online evaluation of a plan by one member: local computation between openings.
//
//   while ((shares = evaluator.Advance()))  evaluator.Opened(robustly opened(*shares));
//   evaluator.output()
//
// The output grows by the plan's steps: what of it is there may be shown before the end. An
// evaluation `until_end` opens besides, as they are, the bits plan.ends, each with the round that
// comes once it is known, and is over when one of them was 1 and that step's output is there.
//
// Deterministic in (plan, bundle, masked tokens, until_end, opened values): a member that starts
// again sends the same shares. A bundle is used for one submission only, ever (design, trap 2): the
// caller's duty. Tensors and parts of the bundle are freed after their last use.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "mpc/online/tensor.h"
#include "mpc/plan/plan.h"
#include "mpc/preprocessing/bundle.h"

namespace mpc {

class Evaluator {
 public:
  // The plan is valid, the bundle is of this plan, and there are plan.tokens masked tokens below V'
  // (all CHECKed but the first). `sets` = C(n, t).
  Evaluator(std::shared_ptr<const Plan> plan, Bundle bundle,
            std::vector<std::uint32_t> masked_tokens, std::size_t sets, bool until_end = false);

  std::size_t rounds() const { return rounds_.size(); }
  // Values opened in a round.
  std::size_t RoundSize(std::size_t round) const;

  // Computes up to the next round of openings and gives this member's shares of what it opens; or
  // nothing when the output is there. Once a round.
  std::optional<std::vector<Fp>> Advance();
  // The opened values of the round.
  void Opened(std::span<const Fp> values);
  // Shares of the masked result, as far as it is computed: whole steps. Complete once Advance gives
  // nothing.
  const std::vector<Fp>& output() const { return output_; }
  std::uint32_t steps() const { return steps_; }  // That output() has.

 private:
  // A part of the output: all of a tensor.
  struct Part {
    TensorId tensor;
    std::size_t end;  // Of its elements in the output.
  };

  std::span<const Fp> Slot(TensorId op) const;  // Wherever the bundle keeps it.
  std::size_t OpenedSize(TensorId id) const;
  void ComputeReady();
  void ComputeIndicators(TensorId lookup, std::span<const Fp> opened);
  void TakeOutput();
  void Release(TensorId tensor);

  std::shared_ptr<const Plan> plan_;
  Bundle bundle_;
  std::vector<std::uint32_t> masked_tokens_;
  const std::size_t sets_;
  const std::vector<std::vector<TensorId>> rounds_;
  const std::vector<std::vector<TensorId>> between_;  // What is computed before round k.

  std::size_t round_ = 0;  // The next to open.
  bool opening_ = false;   // Between Advance and Opened.
  std::vector<std::optional<Tensor>> tensors_;
  std::vector<bool> computed_;
  std::vector<std::size_t> readers_;  // Operations that will still read a tensor.
  std::map<TensorId, std::vector<TensorId>> indicators_;  // kTokenIs by their lookup.

  std::vector<Part> parts_;
  std::size_t next_part_ = 0;
  std::vector<Fp> partial_;  // Of the step under way.
  std::vector<Fp> output_;
  std::uint32_t steps_ = 0;
  std::vector<std::vector<std::uint32_t>> ends_;  // Steps whose end is asked with round k.
  std::set<std::uint32_t> asked_;                 // Of them, those that are not opened yet.
  std::uint32_t steps_wanted_;                    // After which the evaluation is over.
};

}  // namespace mpc
