#include "mpc/model/columns.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "mpc/model/rounding.h"
#include "mpc/plan/add_scaled.h"
#include "proto/base/check.h"

namespace mpc {

namespace {

using Reals = std::vector<double>;

constexpr double kLargest = 127;
constexpr std::size_t kJudgesOneOf = 4;  // Of the inputs, the last; the others teach.
constexpr std::size_t kJudgesMax = 32;
constexpr std::size_t kTogether = 32;  // Rows of a factorisation that stay in the cache.
constexpr double kDamping = 0.01;      // Of the mean square of an input.

// The factor that rounds a column best: its largest weights may be cut where that is better for
// all of them.
std::int32_t FactorOf(const Reals& weight, std::size_t cols, std::size_t column, double unit) {
  double largest = 0;
  for (std::size_t at = column; at < weight.size(); at += cols) {
    largest = std::max(largest, std::abs(weight[at]));
  }
  const auto most = static_cast<std::int32_t>(std::ceil(largest * unit / kLargest));
  if (most <= 1) return 1;
  std::int32_t best = most;
  double least = INFINITY;
  const std::int32_t step = std::max(most / 16, 1);
  for (std::int32_t factor = most; 4 * factor >= 3 * most; factor -= step) {
    const double scale = unit / factor;
    double squares = 0;
    for (std::size_t at = column; at < weight.size(); at += cols) {
      const double exact = weight[at] * scale;
      const double rest = exact - std::clamp(Rounded(exact), -kLargest, kLargest);
      squares += rest * rest;
    }
    squares *= double{1} * factor * factor;
    if (squares < least) {
      least = squares;
      best = factor;
    }
  }
  return best;
}

// Upper triangular R, row-major, with R^T R = H, positive definite; in place.
void Factorise(Reals& h, std::size_t size) {
  const auto subtract = [&](std::size_t from, std::size_t row) {
    AddScaled(-h[from * size + row], &h[from * size + row], size - row, &h[row * size + row]);
  };
  for (std::size_t begin = 0; begin < size; begin += kTogether) {
    const std::size_t end = std::min(size, begin + kTogether);
    for (std::size_t k = begin; k < end; ++k) {
      for (std::size_t from = begin; from < k; ++from) subtract(from, k);
      const double root = 1 / std::sqrt(h[k * size + k]);
      for (std::size_t j = k; j < size; ++j) h[k * size + j] *= root;
    }
    for (std::size_t row = end; row < size; ++row) {
      for (std::size_t from = begin; from < end; ++from) subtract(from, row);
    }
  }
}

class Rounder {
 public:
  Rounder(const Reals& weight, std::size_t cols, unsigned frac, const Reals& inputs)
      : weight_(weight),
        cols_(cols),
        inner_(weight.size() / cols),
        unit_(std::ldexp(1.0, static_cast<int>(frac))),
        inputs_(inputs),
        rows_(inputs.size() / inner_) {
    CHECK(rows_ >= 2 && inputs.size() == rows_ * inner_ && weight.size() == inner_ * cols);
    result_.integers.resize(weight.size());
    for (std::size_t column = 0; column < cols; ++column) {
      result_.factors.push_back(FactorOf(weight, cols, column, unit_));
    }
  }

  ByteColumns Run() {
    for (std::size_t begin = 0; begin < inner_; begin += kRoundingBlock) {
      RoundBlock(begin, std::min(kRoundingBlock, inner_ - begin));
    }
    result_.error = Error();
    return std::move(result_);
  }

 private:
  // The last quarter, which on calibration texts is mostly of other texts than the rest.
  bool Judges(std::size_t row) const {
    return row + std::max<std::size_t>(rows_ / kJudgesOneOf, 1) >= rows_;
  }

  // The block's inputs, those with the largest squares last: they are rounded first.
  std::vector<std::size_t> Order(std::size_t begin, std::size_t size) const {
    Reals squares(size);
    for (std::size_t row = 0; row < rows_; ++row) {
      for (std::size_t i = 0; i < size; ++i) {
        const double x = inputs_[row * inner_ + begin + i];
        if (!Judges(row)) squares[i] += x * x;
      }
    }
    std::vector<std::size_t> order(size);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return squares[i]; });
    for (std::size_t& i : order) i += begin;
    return order;
  }

  // The factor of X^T X and a little more, for inputs in that order.
  Reals Factor(const std::vector<std::size_t>& order) const {
    const std::size_t size = order.size();
    Reals h(size * size), x;
    for (std::size_t row = 0; row < rows_; ++row) {
      if (Judges(row)) continue;
      for (const std::size_t i : order) x.push_back(inputs_[row * inner_ + i]);
    }
    double trace = 0;
    for (std::size_t i = 0; i < size; ++i) {
      double* const out = &h[i * size + i];
      for (std::size_t at = 0; at < x.size(); at += size) {
        AddScaled(x[at + i], &x[at + i], size - i, out);
      }
      trace += *out;
    }
    const double damping = std::max(kDamping * trace / static_cast<double>(size), 1e-300);
    for (std::size_t i = 0; i < size; ++i) h[i * size + i] += damping;
    Factorise(h, size);
    return h;
  }

  void RoundBlock(std::size_t begin, std::size_t size) {
    const std::vector<std::size_t> order = Order(begin, size);
    const Reals factor = Factor(order);
    constexpr std::size_t kColumns = 64;  // Errors of so many columns stay in the cache.
    Reals errors(size * kColumns), target(kColumns);
    for (std::size_t column = 0; column < cols_; column += kColumns) {
      const std::size_t width = std::min(kColumns, cols_ - column);
      for (std::size_t k = size; k-- > 0;) {
        const std::size_t at = order[k] * cols_ + column;
        std::fill_n(target.begin(), width, 0.0);
        for (std::size_t j = k + 1; j < size; ++j) {
          AddScaled(factor[k * size + j] / factor[k * size + k], &errors[j * kColumns], width,
                    target.data());
        }
        for (std::size_t c = 0; c < width; ++c) {
          const double w = weight_[at + c];
          const double step = result_.factors[column + c] / unit_;
          const double q = std::clamp(Rounded((w + target[c]) / step), -kLargest - 1, kLargest);
          result_.integers[at + c] = static_cast<std::int32_t>(q);
          errors[k * kColumns + c] = w - q * step;
        }
      }
    }
  }

  double Error() const {
    std::vector<std::size_t> judges;
    const std::size_t step = (rows_ / kJudgesOneOf + kJudgesMax) / kJudgesMax;
    for (std::size_t row = rows_; row-- > 0 && Judges(row);) {
      if ((rows_ - 1 - row) % step == 0) judges.push_back(row);
    }
    Reals results(judges.size() * cols_), changes(results.size()), change(cols_);
    for (std::size_t i = 0; i < inner_; ++i) {
      const double* const w = &weight_[i * cols_];
      const std::int32_t* const q = &result_.integers[i * cols_];
      for (std::size_t c = 0; c < cols_; ++c) change[c] = q[c] * result_.factors[c] / unit_ - w[c];
      for (std::size_t judge = 0; judge < judges.size(); ++judge) {
        const double x = inputs_[judges[judge] * inner_ + i];
        AddScaled(x, w, cols_, &results[judge * cols_]);
        AddScaled(x, change.data(), cols_, &changes[judge * cols_]);
      }
    }
    const double moved = MeanSquare(changes);
    return moved == 0 ? 0 : std::sqrt(moved / MeanSquare(results));
  }

  const Reals& weight_;
  const std::size_t cols_, inner_;
  const double unit_;
  const Reals& inputs_;
  const std::size_t rows_;
  ByteColumns result_;
};

}  // namespace

ByteColumns RoundToByteColumns(const std::vector<double>& weight, std::size_t cols, unsigned frac,
                               const std::vector<double>& inputs) {
  return Rounder(weight, cols, frac, inputs).Run();
}

}  // namespace mpc
