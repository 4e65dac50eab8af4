// The plan: a model compiled for one length bucket, as a list of tensor operations.
//
// One plan, four readers: the plaintext evaluator (float and fixed-point), the preprocessor, the
// online evaluator and the cost counter. Every number that two members could disagree about is an
// integer here; the plan's digest covers them.
//
// A value is an integer with `frac` fraction bits in F_p, read as signed. A tensor is row-major,
// rows x cols, and is either
//   a wire     public M and a sharing [L] with x = M - L, L preprocessed and known to nobody, or
//   a sharing  [y] of degree t, held online only.
// Wires are closed under public linear maps; products take wires and give sharings; kOpen puts a
// sharing on a fresh wire. kSeries needs a fresh wire: the direct output of kOpen.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mpc/field/packed_integers.h"
#include "mpc/opening/masked.h"
#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/base/shared_bytes.h"

namespace mpc {

// Limits of a plan; Validate names the one that is broken.
inline constexpr std::size_t kOpsMax = 1 << 17;
inline constexpr std::size_t kSideMax = 1 << 16;  // Rows or columns of a tensor.
inline constexpr std::size_t kTensorSizeMax = 1 << 24;
inline constexpr std::size_t kConstantSizeMax = 1 << 28;
inline constexpr std::size_t kHarmonicsMax = 32;
inline constexpr std::size_t kNameBytesMax = 128;
inline constexpr unsigned kPhaseBitsMax = 28;  // Their products stay below 2^kOpenBits.
inline constexpr unsigned kVocabularyBitsMax = 20;
inline constexpr unsigned kDigitsMax = 8;  // Of a kCompare.
inline constexpr unsigned kDigitBitsMax = 6;
inline constexpr unsigned kNoiseBitsMax = 16;  // Of a noise table's index.

using TensorId = std::uint32_t;    // The index of the operation that makes it.
using ConstantId = std::uint32_t;  // Index into Plan::constants.

enum class OpKind : std::uint8_t {
  // y = rows of the public table `weight` [vocabulary x cols] chosen by the secret tokens.
  // Sharing, rows = tokens. Always operation 0. Also provides the indicators used by kTokenIs.
  kEmbed = 1,
  // Without inputs: y[i] = 1 when token i is `token`, else 0, from the indicators of operation 0.
  // With inputs x and a kLookup of x: y[i] = 1 when the number x[i] is one of the constant column
  // `weight` (ascending), else 0, from the indicators of the lookup. Sharing [rows x 1], frac 0.
  kTokenIs = 2,
  // y = x * weight [in.cols x cols] + bias: wire or sharing in, sharing out.
  // frac = in.frac + weight.frac; the bias constant (optional, cols entries) has frac `frac`.
  kLinear = 3,
  // Per head: y[(head, i), j] = sum_c q[i, head*d + c] * k[j, head*d + c]; q [R x h], k [T x h]
  // wires, h = heads * d; sharing [heads*R x T], frac = sum. k may have
  // only h / s columns: s consecutive heads of q share one of k (grouped-query attention).
  kScores = 4,
  // Per head: y[i, head*d + c] = sum_j p[(head, i), j] * v[j, head*d + c]; p [heads*R x T],
  // v [T x h] wires; sharing [R x h], frac = sum. v may be narrower, as k in kScores.
  kMix = 5,
  // Elementwise product of wires, the second of the same shape or [rows x 1] (broadcast over
  // columns). Sharing, frac = sum. Inputs may be equal (a square).
  kMul = 6,
  // y[i] = sum_c a[i, c] * b[i, c]; wires of one shape; sharing [rows x 1], frac = sum.
  kRowDot = 7,
  // f(x) by `series`; x a fresh wire; sharing, frac = series.out_frac.
  kSeries = 8,
  // y = scale[0] * a + scale[1] * b + shift; b optional, of a's shape, [rows x 1] (over columns) or
  // [1 x 1]. Wire if all inputs are wires, else sharing. The operands' frac differ only by what
  // their scales make up for; `frac` is the result's.
  kAdd = 9,
  // y[i, j] = a[i, j] + scale[0] * b[j]; b [cols x 1]. Wire if both are, else sharing.
  kAddPerColumn = 10,
  // y[i, j] = a[i, j] * weight[i mod R, j] + bias[j], public, weight [R x cols] with R a divisor of
  // the rows (1: a scale by column); wire stays wire, sharing stays sharing.
  // frac = a.frac + weight.frac.
  kScaleColumns = 11,
  // y[i] = sum over columns. Wire stays wire, sharing stays sharing. [rows x 1]
  kRowSum = 12,
  // y = a[begin .. begin + rows). Kind kept (a slice of a wire is not fresh).
  kRows = 13,
  // Sharing or wire in, fresh wire out: one robust opening, the low `drop` bits dropped.
  kOpen = 14,
  // The result for the client: y + mu with mu uniform in F_p, posted share by share; y a sharing or
  // a wire. Last operation.
  kOutput = 15,
  // y = a + weight, the public constant of a's shape and frac. Kind kept.
  kAddConstant = 16,
  // The inputs' rows one after another. Wire if all are, else sharing.
  kConcat = 17,
  // The same elements in another shape. Kind kept.
  kReshape = 18,
  // y = a[.., begin .. begin + cols). Kind kept.
  kColumns = 19,
  // Turns each head's pairs (a[j], a[j + d/2]) by public angles (RoPE): weight [R x d] holds d/2
  // cosines, then d/2 sines; R as in kScaleColumns, d = cols / heads. Kind kept, frac = sum.
  kRotate = 20,
  // Is x >= 0? One opening under a mask of known digits (mpc/opening/digits.h). x a wire or a
  // sharing, |x| < 2^(k - 1), k = digits * digit_bits; sharing [x.size() x 2 digits], frac 0: for
  // each element the pairs (less, equal) of its digits, which products join to the answer.
  kCompare = 21,
  // y = rows of the public table `weight` chosen by the secret integers x (frac 0, [rows x 1], wire
  // or sharing), 0 <= x < 2^digit_bits: one opening of x + r, r uniform. Numbers beyond the table
  // count as row 1. Sharing.
  kLookup = 22,
  // y = noise that nobody knows: each element is the sum over all sets A of n - t members of an
  // entry of the public column `weight` [2^digit_bits x 1] that A's key chooses. No inputs.
  // Sharing, frac = weight.frac. The table belongs to one number of sets (mpc/functions/noise.h).
  kNoise = 23,
};

// Operations that end in a robust opening of their input.
constexpr bool Opens(OpKind kind) {
  return kind == OpKind::kOpen || kind == OpKind::kCompare || kind == OpKind::kLookup;
}
// Those that open under a mask of known digits.
constexpr bool OpensDigits(OpKind kind) {
  return kind == OpKind::kCompare || kind == OpKind::kLookup;
}

// f(x) = sum_i poly[i] x^i + sum_k cosine[k-1] cos(k w x) + sine[k-1] sin(k w x), w = 2 pi /
// period. x is the wire's integer. All terms have out_frac fraction bits:
//   poly[i] (i <= 2) has out_frac - i * in.frac fraction bits (as an integer it multiplies x^i),
//   cosine and sine have out_frac - phase_bits.
struct Series {
  std::int64_t period = 0;      // In units of the wire's integer; > 0.
  std::uint8_t phase_bits = 0;  // Fraction bits of the preprocessed cos and sin of the mask.
  std::uint8_t out_frac = 0;
  std::vector<std::int64_t> poly;    // At most 3.
  std::vector<std::int64_t> cosine;  // Harmonics 1..K, at most 32; may be empty (K = 0).
  std::vector<std::int64_t> sine;    // As many as cosine.

  bool operator==(const Series&) const = default;
};

// Integers of the plan, row-major, as they are stored. Values lie in (-2^31, 2^31).
struct Constant {
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  std::uint8_t frac = 0;
  PackedIntegers values;
};

// Biases and shifts added to products need more bits.
struct WideConstant {
  std::uint8_t frac = 0;
  std::vector<std::int64_t> values;
};

inline constexpr std::uint32_t kNone = 0xffffffff;

struct Op {
  OpKind kind{};
  std::vector<TensorId> inputs;
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  bool wire = false;
  std::uint8_t frac = 0;
  std::uint8_t bits =
      0;  // Bound: |y| < 2^bits as an integer; the plan's promise, from calibration.

  std::uint8_t drop = 0;            // kOpen
  std::uint32_t heads = 0;          // kScores, kMix, kRotate
  std::uint32_t token = 0;          // kTokenIs
  std::uint32_t begin = 0;          // kRows, kColumns
  std::uint8_t digits = 0;          // kCompare; 1 for kLookup
  std::uint8_t digit_bits = 0;      // kCompare, kLookup, kNoise
  ConstantId weight = kNone;        // index into Plan::constants
  ConstantId bias = kNone;          // index into Plan::wide_constants
  std::vector<std::int64_t> scale;  // kAdd: 1 or 2; kAddPerColumn: 1
  std::int64_t shift = 0;           // kAdd
  Series series;                    // kSeries
  std::string name;                 // For people: "layer 0 gelu".

  std::size_t size() const { return std::size_t{rows} * cols; }
  // k: bits of what a kCompare or kLookup opens, but for its high part.
  unsigned masked_bits() const { return unsigned{digits} * digit_bits; }
};

struct Plan {
  std::string architecture;           // "bert-classifier"
  std::uint32_t tokens = 0;           // T: rows of the embedding, the length bucket.
  std::uint32_t vocabulary = 0;       // V: rows of the embedding table.
  std::uint32_t digit_bits_high = 0;  // V' = 2^(high + low) >= V; one-hot digits of the mask.
  std::uint32_t digit_bits_low = 0;
  std::vector<Op> ops;
  std::vector<Constant> constants;
  std::vector<WideConstant> wide_constants;
  std::vector<std::string> labels;  // Names of the output's columns, for people.
  // The output is `steps` groups of equal size, in the order in which they are computed: a
  // generator's tokens. The last `flags` elements of a group are its range flags
  // (mpc/model/ranges.h): 1 and below says that every value that was computed for this group stayed
  // where the plan is good. With several steps or flags the output is one column.
  std::uint32_t steps = 1;
  std::uint32_t flags = 0;
  // What a request that ends early opens, as it is: for every step but the last a kTokenIs of a
  // lookup, [1 x 1]: whether the step's token was an end token. Ascending. None: answers do not end
  // early.
  std::vector<TensorId> ends;

  std::uint64_t vocabulary_padded() const { return 1ull << (digit_bits_high + digit_bits_low); }
  // Elements of the output that a step gives, flags included.
  std::size_t group() const { return ops.back().size() / steps; }
};

// What every reader relies on: shapes, kinds, fraction bits, limits, that each kSeries reads a
// fresh wire, that bounds fit kOpenBits. A plan from outside is used only after this.
proto::Result<> Validate(const Plan& plan);

// -log2 of the statistical distance that the plan's masked openings leak in one inference with
// masks of `mask_bits`: the sum over all opened values of 2^(bits + 1 - mask_bits), bits that of
// kOpen's input; 2^(k - mask_bits) for kCompare and kLookup. Callers refuse a plan below
// kLeakageBitsMin.
inline constexpr double kLeakageBitsMin = 40;
double LeakageBits(const Plan& plan, unsigned mask_bits);

// Canonical bytes (own format, versioned) and back; Decode validates, and accepts nothing that
// Encode would have written otherwise: one plan, one digest. Constants of kPlanPage bytes and more
// begin at multiples of it and stay where they are: a plan in a mapped file takes no other memory
// for them, and reads no page of them that it does not use.
inline constexpr std::size_t kPlanPage = 4096;
proto::Bytes EncodePlan(const Plan& plan);
// The same, in pieces: large constants as they lie.
void EncodePlan(const Plan& plan, const std::function<void(proto::ByteSpan)>& write);
proto::Result<Plan> DecodePlan(const proto::SharedBytes& bytes);
proto::Result<Plan> DecodePlan(proto::ByteSpan bytes);  // Of a copy.
proto::Digest PlanDigest(proto::ByteSpan encoded);

}  // namespace mpc
