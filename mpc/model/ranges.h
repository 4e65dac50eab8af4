// Range flags: whether every value stayed where the plan's functions are good.
//
// All that a plan computes is exact (up to truncation noise) but for its series, each good on one
// interval alone, and its comparisons, good for numbers of so many bits. So a plan watches what
// these read, with operations of its own on wires that are there:
//
//   m = sum over g neighbours of (x - centre)^2 / radius^2     a row's product, opened
//   m <- sum over h neighbours of m^2                          likewise, 0 to 3 times
//   flag = sum of all m^2
//
// Every term is at least 0: a flag of at most 1 says that every m is at most 1, so every m before
// it, and so that every x lies within the radius. That is no estimate; what calibration decides is
// only how often a value that is in range raises the flag: g, h and the number of squares are
// chosen so that on the calibration texts a flag stays below 1/2. The squares make what is well
// inside negligible, so that more and more of it fits into one opening. Inverses are watched by
// their result: z r against 1 before a Newton step, or after all of them.
//
// The flags are the last elements of the output, or of each of its steps, under masks that the
// client alone has. They tell it how
// near its own text came to the intervals; weights are open, so it could compute that itself.
//
// Catches: any value beyond its interval, at any place and step. (From 7 radii on, a sixteenth
// power goes around the field and looks random: it reads as small with probability 2^-90 or so.)
// Misses: nothing by itself wrong; an answer is as good as the plan is on its intervals.
// Raises without need: for texts whose values crowd near an interval's end though none leaves it.
// Cost: an opening and a product for each sum, 2 to 4 rounds at the end, none before.
#pragma once

#include <string>
#include <vector>

#include "mpc/model/builder.h"

namespace mpc {

class Ranges {
 public:
  explicit Ranges(PlanBuilder& builder) : b_(builder) {}

  // An interval for what a wire holds: the widened one that calibration saw, moved so that few
  // openings suffice to watch it. Calibration only.
  Guard Around(TensorId x) const;
  // The same for given limits, already widened.
  Guard Within(TensorId x, Range limits) const;
  // Watches that x, a wire, stays within the guard. A plan that repeats another takes that one's
  // guard, by name.
  void Watch(TensorId x, const Guard& guard, const std::string& name);
  // The output and, behind it, the flags of all that was watched. x: a sharing or wire of one row
  // or column.
  void Output(TensorId x, const std::string& name);
  // The same of an output that is computed in steps, each with the flags of what was watched since
  // the step before: its result, for every step in turn, then the output.
  void EndStep(TensorId x);
  void Output(const std::string& name);

 private:
  // What one watched tensor adds to a flag, and how much of it on the calibration texts.
  struct Watched {
    TensorId sum = 0;
    double seen = 0;
  };
  struct Part {
    TensorId result = 0;
    std::vector<Watched> watched;
  };

  void WatchPart(TensorId centred, const Guard& guard, std::uint32_t group,
                 const std::string& name);
  Guard Choose(TensorId x, double centre, double radius) const;
  std::vector<TensorId> FlagsOf(const std::vector<Watched>& watched);

  PlanBuilder& b_;
  std::vector<Watched> watched_;  // Since the last step's end.
  std::vector<Part> steps_;
};

}  // namespace mpc
