// Builds a plan operation by operation while computing with it: every operation is evaluated on the
// calibration texts as soon as it is added, so that bounds, fraction bits and the intervals of the
// next functions follow from what the plan itself computes.
//
// Shapes, kinds and fraction bits are derived here; a builder of an architecture names tensors and
// says what happens to them. The first thing that cannot be done (a value that does not fit in an
// opening, a function that cannot be fitted) is remembered and returned by Finish.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mpc/functions/fit.h"
#include "mpc/model/columns.h"
#include "mpc/plan/plan.h"
#include "proto/base/result.h"

namespace mpc {

// Of real values.
struct Range {
  double low = 0;
  double high = 0;
};

struct BuilderOptions {
  double margin = 1.5;          // Bounds beyond what calibration saw, as a factor.
  unsigned open_bits_max = 57;  // Of opened values; smaller leaks less.
  unsigned wire_frac = 16;      // Fraction bits of wires unless said otherwise.
  unsigned sets = 4;            // C(n, t) of the largest committee that will run the plan.
  // Of a linear map's result, relative, on calibration texts: a matrix's weights keep 8 or 16 bits
  // where that moves it by less (root of the mean square), else up to 19. 0: always 19.
  double weight_error = 1.0 / 8192;
  // Likewise, of 8 bits and an integer a column (mpc/model/columns.h), in the mean over the maps: a
  // map may take what those before it left, up to twice the mean. 0: none does.
  double byte_error = 1.0 / 512;
  // Where large constants go as they are made: gives the same bytes, somewhere else (a mapped
  // file). None: they stay in memory. What cannot be kept makes building fail.
  std::function<proto::Result<proto::SharedBytes>(proto::ByteSpan)> keep = nullptr;
  // Of the calibration texts' values that are kept at once: beyond, every second text is given up,
  // as often as it takes. (1 GiB.)
  std::size_t values_max = std::size_t{1} << 27;
  // Of preprocessed phases: the products of many leak with few bits less.
  unsigned phase_bits_max = kPhaseBitsMax;
};

// What a series must approximate. Interval, function and weight in real units.
struct SeriesGoal {
  std::function<double(double)> function;
  std::function<double(double)> weight;
  Range interval;
  double target = 1e-4;     // Of the weighted error.
  double error_max = 1e-2;  // Beyond it, building fails.
  unsigned out_frac = 40;
  unsigned phase_bits = 28;
  unsigned harmonics_min = 6;
  unsigned harmonics_max = 32;
  double bend = 0;  // FitRequest's.
};

// The matrix and bias of a linear map; weight row-major [in x bias.size()].
struct Affine {
  std::vector<double> weight;
  std::vector<double> bias;
};

// Where a wire's values must stay, and how that is watched (mpc/model/ranges.h).
struct Guard {
  double centre = 0;
  double radius = 1;
  std::uint32_t group = 1;  // Values whose squares are opened together.
  std::uint32_t join = 1;   // Squares that are opened together.
  std::uint8_t levels = 1;  // How often a sum is squared.
  double seen = 0;          // The flag, at most, on the calibration texts.
  double cost = 0;          // Openings a value.

  Range interval() const { return {centre - radius, centre + radius}; }
};

// What a calibrated plan decided for its operations, by their keys (PlanBuilder::Begin), so that a
// plan which repeats its steps on other shapes decides the same.
struct Decision {
  Range seen;
  std::uint8_t frac = 0;
  std::uint8_t bits = 0;
  Series series;
  double series_error = 0;
  Guard guard;
};
using Decisions = std::map<std::string, Decision>;

// The constants of a linear map.
struct MapConstants {
  Constant weight;
  std::optional<Constant> factors;  // By column, of weights that have them.
  WideConstant bias;
};

// Those that a calibrated plan made, by scope and name: the plan that repeats its steps takes the
// same.
using Maps = std::map<std::string, MapConstants>;

class PlanBuilder {
 public:
  using Text = std::vector<std::uint32_t>;
  // `texts`: calibration texts of exactly plan.tokens ids each, at least one; fewer may be used.
  // `plan` has its head filled in (architecture, tokens, vocabulary, digits, labels).
  PlanBuilder(Plan plan, std::vector<Text> texts, const BuilderOptions& options);
  // Without texts: bounds, fraction bits and functions are those decided before. Operations whose
  // key is not there need SetBits before Finish (CHECKed).
  PlanBuilder(Plan plan, Decisions decisions, Maps maps, const BuilderOptions& options);

  // An operation's key is this scope, its name, and how often the name came since the last Begin.
  void Begin(const std::string& scope);
  const Decisions& decisions() const { return decisions_; }
  const Maps& maps() const { return measured_; }
  bool replays() const { return texts_.empty(); }
  // The guard to use for the operation that comes next, called `name`: the one given, or when
  // repeating the one remembered.
  Guard Remember(const std::string& name, const Guard& guard);
  const BuilderOptions& options() const { return options_; }

  // Operations; see plan.h. A weight given in real numbers is quantised to as many fraction bits,
  // up to 16, as keep it below 2^7 or 2^15 where `weight_error` allows that, else 2^19; the matrix
  // of a linear map to bytes times an integer a column where `byte_error` does.
  TensorId Embed(const std::vector<double>& table, std::uint32_t cols, unsigned frac,
                 const std::string& name);
  TensorId AddConstant(TensorId x, const std::vector<double>& constant, const std::string& name);
  TensorId TokenIs(std::uint32_t token, const std::string& name);
  // What a request that ends early opens: whether x, of which `lookup` is the Lookup, is one of the
  // tokens (ascending). For each step but the last.
  void Ends(TensorId x, TensorId lookup, const std::vector<std::uint32_t>& tokens);
  // With `headroom`, weight bits are given up until the result fits in an opening with that many
  // bits to spare. When repeated, a name stands for the same constants, and `affine` is asked once.
  TensorId Linear(TensorId x, const std::function<Affine()>& affine,
                  std::optional<unsigned> headroom, const std::string& name);
  TensorId Scores(TensorId q, TensorId k, std::uint32_t heads, const std::string& name);
  // `cols`: of all heads together, when several share a value; else v's.
  TensorId Mix(TensorId p, TensorId v, std::uint32_t heads, const std::string& name,
               std::uint32_t cols = 0);
  TensorId Mul(TensorId a, TensorId b, const std::string& name);
  TensorId RowDot(TensorId a, TensorId b, const std::string& name);
  // scale_a * a + scale_b * b + shift in real units, exact: each scale times 2^(frac - its
  // operand's frac) must be an integer.
  TensorId Add(TensorId a, double scale_a, std::optional<TensorId> b, double scale_b, double shift,
               unsigned frac, const std::string& name);
  TensorId AddPerColumn(TensorId a, TensorId b, double scale, const std::string& name);
  TensorId ScaleColumns(TensorId x, const std::vector<double>& weight,
                        const std::vector<double>& bias, unsigned weight_frac,
                        const std::string& name);
  // Multiplies by a public matrix [rows x x.cols], again and again down the rows of x.
  TensorId ScaleAll(TensorId x, const std::vector<double>& weight, std::uint32_t rows,
                    unsigned weight_frac, const std::string& name);
  // Turns pairs of each head; `angles` as kRotate's weight.
  TensorId Rotate(TensorId x, std::uint32_t heads, const std::vector<double>& angles,
                  std::uint32_t rows, unsigned weight_frac, const std::string& name);
  TensorId Concat(const std::vector<TensorId>& parts, const std::string& name);
  TensorId Reshape(TensorId x, std::uint32_t rows, std::uint32_t cols, const std::string& name);
  TensorId Columns(TensorId x, std::uint32_t begin, std::uint32_t cols, const std::string& name);
  // |x| < 2^(digits * digit_bits - 1) is the caller's promise.
  TensorId Compare(TensorId x, unsigned digits, unsigned digit_bits, const std::string& name);
  // `table`: the operation whose weight is looked up, an Embed.
  TensorId Lookup(TensorId x, TensorId table, unsigned digit_bits, const std::string& name);
  // Noise whose parts have these quantiles, 2^k of them (mpc/functions/noise.h).
  TensorId Noise(const std::vector<double>& quantiles, std::uint32_t rows, std::uint32_t cols,
                 unsigned frac, const std::string& name);
  TensorId RowSum(TensorId x, const std::string& name);
  TensorId Rows(TensorId x, std::uint32_t begin, std::uint32_t rows, const std::string& name);
  TensorId Series(TensorId x, const SeriesGoal& goal, const std::string& name);
  TensorId Open(TensorId x, unsigned frac, const std::string& name);
  TensorId Output(TensorId x, const std::string& name);
  const Op& op(TensorId id) const { return plan_.ops[id]; }
  // For bounds that are known rather than measured.
  void SetBits(TensorId id, unsigned bits) { plan_.ops[id].bits = static_cast<std::uint8_t>(bits); }
  // Real values in text i, row-major, while they are kept.
  std::vector<double> Values(TensorId id, std::size_t text) const;
  const std::vector<Text>& texts() const { return texts_; }
  // What calibration saw, and the same widened: [low * margin, high * margin] for a range around
  // zero, [low / margin, high * margin] for a positive one.
  Range Seen(TensorId id) const;
  Range Widened(TensorId id) const;
  Range WidenedPositive(TensorId id) const;
  // Fraction bits that leave `precision` bits above the unit for the least of a positive range.
  static unsigned FracFor(double least, int precision, unsigned at_most);
  // The most fraction bits with which a value up to `largest` fits in an opening.
  unsigned FracThatFits(double largest) const;

  // Error of a kSeries operation as fitted, phases' noise included, in the goal's weight.
  double SeriesError(TensorId id) const { return series_errors_[id]; }

  // Forgets the values of all tensors from `begin` on but these and those pinned.
  void KeepOnly(const std::vector<TensorId>& ids, TensorId begin = 0);
  void Pin(TensorId id) { pinned_.push_back(id); }
  // The root mean square of the relative errors of maps in bytes and columns, over all maps; 0
  // where there are none.
  double byte_error() const;
  // The output's groups, and how many of a group's last elements are range flags.
  void set_steps(std::uint32_t steps) { plan_.steps = steps; }
  void set_flags(std::uint32_t flags) { plan_.flags = flags; }

  void Refuse(const std::string& why);
  bool ok() const { return error_.empty(); }
  proto::Result<Plan> Finish();

 private:
  using Values_ = std::vector<std::vector<double>>;  // By text, in units of the integer.
  struct MapIds {
    ConstantId weight = kNone, factors = kNone, bias = kNone;
  };

  Op Make(OpKind kind, std::vector<TensorId> inputs, std::uint32_t rows, std::uint32_t cols,
          bool wire, unsigned frac, const std::string& name) const;
  TensorId Push(Op op);
  int WeightBits(TensorId x, const std::vector<double>& weight, std::uint32_t cols) const;
  std::vector<double> InputsOf(TensorId x) const;
  std::optional<ByteColumns> InBytes(TensorId x, const Affine& affine, unsigned frac);
  MapConstants RoundedMap(const Affine& affine, unsigned in_frac, unsigned frac,
                          const std::optional<ByteColumns>& bytes);
  MapIds AddMap(const MapConstants& map);
  TensorId PushMap(TensorId x, const MapIds& map, const std::string& name);
  std::int64_t ToInteger(double value);  // Refuses what does not fit in 62 bits.
  void SetBits(Op& op, const Values_& values) const;
  void MakeRoom(std::size_t elements);
  void Forget(TensorId id);
  std::string KeyOf(const std::string& name);
  const Decision* Decided(const std::string& name) const;  // Of the operation that comes next.
  TensorId PushMoved(Op op);  // One that moves values: bounds are the inputs'.
  void Keep(Constant& constant);
  std::vector<std::int32_t> Integers(const std::vector<double>& values, unsigned frac);
  ConstantId Quantise(const std::vector<double>& values, std::uint32_t rows, std::uint32_t cols,
                      unsigned frac);

  Plan plan_;
  std::vector<Text> texts_;
  BuilderOptions options_;
  std::vector<Values_> values_;        // By operation; empty when forgotten.
  std::size_t elements_ = 0;           // Of one text in values_.
  std::vector<double> series_errors_;  // By operation; 0 for other kinds.
  std::string error_;

  std::string scope_;
  std::map<std::string, unsigned> repeats_;  // Of names since Begin.
  Decisions decisions_;
  std::map<std::string, Guard> guards_;  // By the key of an operation to come.
  std::vector<TensorId> pinned_;
  std::optional<ConstantId> noise_;
  std::optional<ConstantId> end_tokens_;
  std::vector<std::string> keys_;         // By operation, when Begin was called before all of them.
  std::map<std::string, MapIds> linear_;  // By name, of a plan that repeats.
  Maps measured_;
  std::optional<std::uint32_t> pad_;  // The token that TokenIs asked for.
  std::size_t byte_maps_ = 0;         // That might have had bytes and columns,
  double byte_squares_ = 0;           // and the squares of the errors of those that have.
};

}  // namespace mpc
