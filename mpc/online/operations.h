// The local part of every operation of a plan, one member's share at a time. Nothing here
// communicates: openings are the evaluator's.
//
// With a wire (M, [x]) and the preprocessed [L_x L_y],
//   [x y] = M_x [y] + M_y [x] - M_x M_y + [L_x L_y],
// and a series in x = M - L is linear in the preprocessed [cos kwL], [sin kwL], [L^2].
#pragma once

#include <span>
#include <vector>

#include "mpc/online/tensor.h"
#include "mpc/plan/plan.h"

namespace mpc {

// kEmbed: `slot` is the operation's part of the bundle, `masked_tokens` are m = id + r mod V'.
Tensor Embed(const Plan& plan, const Op& op, std::span<const Fp> slot,
             std::span<const std::uint32_t> masked_tokens);
// kTokenIs: `slot` is that of kEmbed; with inputs that of its lookup, whose opened values are
// `masked_tokens`.
Tensor TokenIs(const Plan& plan, const Op& op, std::span<const Fp> slot,
               std::span<const std::uint32_t> masked_tokens);
// The masked numbers that a kLookup or kCompare opened, without their high parts.
std::vector<std::uint64_t> LowParts(const Op& op, std::span<const Fp> opened);

// What is added to an operation's value, beside its mask, before it is opened.
Fp OpeningOffset(const Op& op);
// The result of an operation that opens, from the opened values; `sets` = C(n, t).
Tensor FromOpened(const Plan& plan, const Op& op, std::span<const Fp> opened,
                  std::span<const Fp> slot, std::size_t sets);

// Every other kind. `inputs` as op.inputs; `slot` the operation's part of the bundle.
Tensor Compute(const Plan& plan, const Op& op, std::span<const Tensor* const> inputs,
               std::span<const Fp> slot);

}  // namespace mpc
