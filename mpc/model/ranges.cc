#include "mpc/model/ranges.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "proto/base/check.h"

namespace mpc {

namespace {

constexpr std::array<std::uint32_t, 7> kGroups = {64, 32, 16, 8, 4, 2, 1};
constexpr std::array<std::uint32_t, 5> kJoins = {16, 8, 4, 2, 1};
constexpr unsigned kLevelsMax = 4;
constexpr unsigned kFlagFrac = 16;     // Of m and its powers.
constexpr double kSeenMax = 1.0 / 64;  // Of a tensor's part in a flag.
// Sums of squares may be so many times the calibration texts' before they raise a flag.
constexpr double kSlack = 1.7;
// The cost of a guard that calibration texts themselves raise: only where there is no other.
constexpr double kLoud = 1000;
// Radii beyond the margin that are tried when none within it is quiet.
constexpr std::array<double, 3> kWider = {1.12, 1.25, 1.5};
constexpr double kFlagMax = 0.5;  // Of a flag, on the calibration texts.
// An online opening costs 192 bytes of all members, one in preprocessing 80; a series of an element
// takes some 17 of those, in proportion to its interval.
constexpr double kOpening = 192.0 / 80 + 1;
constexpr double kSeriesOpenings = 17;

// The largest group of at most `group` that divides the size.
std::uint32_t Dividing(std::uint32_t group, std::size_t size) {
  while (size % group != 0) --group;
  return group;
}

// Sums are rows, of which a tensor has at most kSideMax, so larger tensors are watched in parts.
struct Parts {
  std::uint32_t count = 1;
  std::size_t size = 0;     // Values of a part: whole rows.
  std::uint32_t group = 1;  // Neighbours in a sum.

  std::size_t sums() const { return size / group; }
};

// The fewest parts that do, with groups of at most `group`.
Parts PartsOf(const Op& x, std::uint32_t group) {
  Parts parts{1, x.size(), Dividing(group, x.size())};
  while (parts.sums() > kSideMax) {
    do ++parts.count;
    while (x.rows % parts.count != 0);
    parts.size = x.size() / parts.count;
    parts.group = Dividing(group, parts.size);
  }
  return parts;
}

// What a flag takes for `values` sums, and the openings.
struct Squared {
  double flag = 0;
  double slack_flag = 0;  // If all were kSlack times as large.
  std::size_t openings = 0;
  std::uint32_t join = 1;  // Most that were joined: less than asked for where nothing divides.
};

Squared Square(std::vector<double> values, std::uint32_t join, unsigned levels) {
  Squared result{0, 0, values.size(), 1};
  for (unsigned level = 1; level < levels; ++level) {
    const std::uint32_t joined = Dividing(join, values.size());
    result.join = std::max(result.join, joined);
    const std::size_t count = values.size() / joined;
    for (std::size_t i = 0; i < count; ++i) {
      double sum = 0;
      for (std::size_t j = i * joined; j < (i + 1) * joined; ++j) sum += values[j] * values[j];
      values[i] = sum;
    }
    values.resize(count);
    result.openings += count;
  }
  for (const double value : values) result.flag += value * value;
  result.slack_flag = result.flag * std::pow(kSlack, std::ldexp(1.0, static_cast<int>(levels)));
  return result;
}

// 1 / radius^2 as integer * 2^-shift, rounded up.
struct Scale {
  double integer = 1;
  int shift = 0;
};

Scale ScaleOf(double radius, unsigned frac, unsigned open_bits_max) {
  const double inverse = 1 / (radius * radius);
  const int exponent = std::ilogb(inverse);
  // m = 1 is an integer of 2 frac - exponent bits, and as many as the factor has.
  const int room = static_cast<int>(open_bits_max) - 2 - (2 * static_cast<int>(frac) - exponent);
  const int bits = std::clamp(room, 0, 5);
  Scale scale;
  scale.shift = bits - exponent;
  scale.integer = std::ceil(std::ldexp(inverse, scale.shift));
  return scale;
}

// Of the integer part of what is in range; at least one bit in all.
int WholeBits(const Guard& guard) {
  return std::ilogb(guard.radius) + 1;
}
unsigned BitsOf(int bits) {
  return static_cast<unsigned>(std::max(bits, 1));
}

}  // namespace

Guard Ranges::Choose(TensorId x, double centre, double radius) const {
  Guard best{centre, radius, 1, 1, kLevelsMax, 1, std::numeric_limits<double>::infinity()};
  std::vector<std::vector<double>> values;
  for (std::size_t t = 0; t < b_.texts().size(); ++t) {
    values.push_back(b_.Values(x, t));
    for (double& value : values.back()) {
      value = (value - centre) * (value - centre) / (radius * radius);
    }
  }
  for (const std::uint32_t wanted : kGroups) {
    const Parts parts = PartsOf(b_.op(x), wanted);
    if (1.0 / parts.group >= best.cost) continue;
    std::vector<std::vector<double>> sums;  // Of each part of each text.
    for (const std::vector<double>& text : values) {
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (i % parts.size == 0) sums.emplace_back(parts.sums());
        sums.back()[i % parts.size / parts.group] += text[i];
      }
    }
    for (unsigned levels = 1; levels <= kLevelsMax; ++levels) {
      for (const std::uint32_t join : kJoins) {
        if (levels == 1 && join > 1) continue;  // Nothing is joined.
        Squared most;
        for (const std::vector<double>& of_part : sums) {
          const Squared squared = Square(of_part, join, levels);
          most = {std::max(most.flag, squared.flag), std::max(most.slack_flag, squared.slack_flag),
                  squared.openings, squared.join};
        }
        double cost = static_cast<double>(most.openings) / static_cast<double>(parts.size);
        if (most.flag > kSeenMax || most.slack_flag > 1) cost = kLoud * (1 + std::log1p(most.flag));
        if (cost >= best.cost) continue;
        // A plan that repeats this one on tensors of other sizes joins no more than was judged
        // here.
        best = {centre,    radius, parts.group, most.join, static_cast<std::uint8_t>(levels),
                most.flag, cost};
      }
    }
  }
  return best;
}

Guard Ranges::Within(TensorId x, Range limits) const {
  if (b_.replays() || !b_.ok()) return {};
  return Choose(x, (limits.low + limits.high) / 2, (limits.high - limits.low) / 2);
}

Guard Ranges::Around(TensorId x) const {
  if (b_.replays() || !b_.ok()) return {};
  const Range seen = b_.Seen(x);
  double mean = 0;
  for (std::size_t t = 0; t < b_.texts().size(); ++t) {
    const std::vector<double> values = b_.Values(x, t);
    for (const double value : values) mean += value / static_cast<double>(values.size());
  }
  mean /= static_cast<double>(b_.texts().size());
  const double middle = (seen.low + seen.high) / 2;
  const double margin = b_.options().margin;
  // Never narrower than a unit, so that a fit has an interval.
  const double least = std::max((seen.high - seen.low) / 2 * margin, 0.5);
  Guard best;
  double best_cost = std::numeric_limits<double>::infinity();
  const auto take = [&](double part, double wider) {
    const double centre = mean + part * (middle - mean);
    const double reach = std::max(seen.high - centre, centre - seen.low);
    const double radius = std::max(reach * margin, least) * wider;
    const Guard guard = Choose(x, centre, radius);
    const double cost = kOpening * guard.cost + kSeriesOpenings * (radius / least - 1);
    if (cost >= best_cost) return;
    best_cost = cost;
    best = guard;
  };
  for (const double part : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    take(part, 1);
  }
  for (const double wider : kWider) {
    for (const double part : {0.0, 0.5, 1.0}) {
      if (best_cost >= kLoud) take(part, wider);
    }
  }
  return best;
}

void Ranges::Watch(TensorId x, const Guard& wanted, const std::string& name) {
  if (!b_.ok()) return;
  CHECK(b_.op(x).wire);
  const Guard guard = b_.Remember(name + " centred", wanted);
  const unsigned frac = b_.op(x).frac;
  const TensorId centred = b_.Add(x, 1, std::nullopt, 0, -guard.centre, frac, name + " centred");
  // In range, whatever calibration saw.
  b_.SetBits(centred, BitsOf(static_cast<int>(frac) + WholeBits(guard) + 1));
  const Parts parts = PartsOf(b_.op(x), guard.group);
  if (parts.count == 1) return WatchPart(centred, guard, parts.group, name);
  const std::uint32_t rows = b_.op(x).rows / parts.count;
  for (std::uint32_t part = 0; part < parts.count; ++part) {
    WatchPart(b_.Rows(centred, part * rows, rows, name + " part"), guard, parts.group, name);
  }
}

void Ranges::WatchPart(TensorId centred, const Guard& guard, std::uint32_t group,
                       const std::string& name) {
  const auto frac = static_cast<int>(b_.op(centred).frac);
  const auto sums = static_cast<std::uint32_t>(b_.op(centred).size() / group);
  const Scale scale = ScaleOf(guard.radius, b_.op(centred).frac, b_.options().open_bits_max);
  const TensorId grouped = b_.Reshape(centred, sums, group, name + " groups");
  const TensorId moments = b_.RowDot(grouped, grouped, name + " moments");
  b_.SetBits(moments, BitsOf(2 * (frac + WholeBits(guard)) + 1));
  const auto scaled_frac =
      static_cast<unsigned>(static_cast<int>(b_.op(moments).frac) + scale.shift);
  const TensorId scaled = b_.Add(moments, std::ldexp(scale.integer, -scale.shift), std::nullopt, 0,
                                 0, scaled_frac, name + " moments");
  // In range m is at most 1; what it is otherwise is for the client to see.
  b_.SetBits(scaled, std::min(scaled_frac + 1, b_.options().open_bits_max));
  TensorId power = b_.Open(scaled, kFlagFrac, name + " moments");
  b_.SetBits(power, kFlagFrac + 2);
  for (unsigned level = 1; level < guard.levels; ++level) {
    const auto count = static_cast<std::uint32_t>(b_.op(power).size());
    const std::uint32_t joined = Dividing(guard.join, count);
    const TensorId rows = b_.Reshape(power, count / joined, joined, name + " powers");
    const TensorId squares = b_.RowDot(rows, rows, name + " powers");
    b_.SetBits(squares, 2 * kFlagFrac + 2);
    power = b_.Open(squares, kFlagFrac, name + " powers");
    b_.SetBits(power, kFlagFrac + 2);
  }
  const auto left = static_cast<std::uint32_t>(b_.op(power).size());
  const TensorId row = b_.Reshape(power, 1, left, name + " powers");
  const TensorId sum = b_.RowDot(row, row, name + " watched");
  b_.SetBits(sum, 2 * b_.op(row).frac + 2);
  b_.Pin(sum);
  watched_.push_back({sum, guard.seen});
}

std::vector<TensorId> Ranges::FlagsOf(const std::vector<Watched>& watched) {
  std::vector<TensorId> flags;
  double seen = 0;
  for (const Watched& next : watched) {
    if (flags.empty() || seen + next.seen > kFlagMax) {
      flags.push_back(next.sum);
      seen = next.seen;
    } else {
      const unsigned frac = std::max(b_.op(flags.back()).frac, b_.op(next.sum).frac);
      flags.back() = b_.Add(flags.back(), 1, next.sum, 1, 0, frac, "flag");
      b_.SetBits(flags.back(), frac + 2);
      seen += next.seen;
    }
  }
  return flags;
}

void Ranges::Output(TensorId x, const std::string& name) {
  EndStep(x);
  Output(name);
}

void Ranges::EndStep(TensorId x) {
  steps_.push_back({x, std::exchange(watched_, {})});
}

void Ranges::Output(const std::string& name) {
  CHECK(!steps_.empty());
  if (!b_.ok()) return;
  std::vector<std::vector<TensorId>> flags;
  std::size_t most = 0;
  unsigned frac = 0;
  for (const Part& step : steps_) {
    flags.push_back(FlagsOf(step.watched));
    most = std::max(most, flags.back().size());
    frac = std::max<unsigned>(frac, b_.op(step.result).frac);
    for (const TensorId flag : flags.back()) frac = std::max<unsigned>(frac, b_.op(flag).frac);
  }
  if (steps_.size() == 1 && most == 0) {
    b_.Output(steps_[0].result, name);
    return;
  }
  const auto with_frac = [&](TensorId id) {
    const unsigned bits = b_.op(id).bits + frac - b_.op(id).frac;
    id = b_.Add(id, 1, std::nullopt, 0, 0, frac, name);
    b_.SetBits(id, bits);
    return id;
  };
  std::vector<TensorId> parts;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const TensorId result = with_frac(steps_[i].result);
    const auto count = static_cast<std::uint32_t>(b_.op(result).size());
    parts.push_back(b_.Reshape(result, count, 1, name));
    for (const TensorId flag : flags[i]) parts.push_back(with_frac(flag));
    if (flags[i].size() == most) continue;
    // As many flags as the other steps; these are never up.
    const TensorId none =
        b_.Add(b_.Rows(parts.back(), 0, 1, name), 0, std::nullopt, 0, 0, frac, name);
    b_.SetBits(none, 1);
    parts.insert(parts.end(), most - flags[i].size(), none);
  }
  b_.set_steps(static_cast<std::uint32_t>(steps_.size()));
  b_.set_flags(static_cast<std::uint32_t>(most));
  b_.Output(b_.Concat(parts, name), name);
}

}  // namespace mpc
