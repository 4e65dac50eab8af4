// A plan read in real numbers, for tests: what the shares should come to.
#pragma once

#include <cmath>
#include <vector>

#include "mpc/plan/plan.h"
#include "proto/base/check.h"

namespace mpc {

// The values of every operation, by operation, as real numbers.
inline std::vector<std::vector<double>> PlainValues(const Plan& plan,
                                                    const std::vector<std::uint32_t>& ids) {
  std::vector<std::vector<double>> values(plan.ops.size());
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    const Op& op = plan.ops[id];
    const double unit = std::exp2(op.frac);
    const auto in = [&](std::size_t i) -> const Op& { return plan.ops[op.inputs[i]]; };
    const auto at = [&](std::size_t i, std::size_t row, std::size_t col) {
      return values[op.inputs[i]][row * in(i).cols + col];
    };
    const auto weight = [&](std::size_t row, std::size_t col) {
      const Constant& w = plan.constants[op.weight];
      return w.values[row * w.cols + col] / std::exp2(w.frac);
    };
    const auto bias = [&](std::size_t col) {
      return op.bias == kNone
                 ? 0.0
                 : static_cast<double>(plan.wide_constants[op.bias].values[col]) / unit;
    };
    // A plan's scale also makes up for different fraction bits.
    const auto scale = [&](std::size_t i, std::size_t input) {
      return static_cast<double>(op.scale[i]) * std::exp2(in(input).frac) / unit;
    };
    for (std::size_t i = 0; i < op.rows; ++i) {
      for (std::size_t j = 0; j < op.cols; ++j) {
        double y = 0;
        switch (op.kind) {
          case OpKind::kEmbed:
            y = weight(ids[i], j);
            break;
          case OpKind::kTokenIs:
            y = ids[i] == op.token ? 1 : 0;
            break;
          case OpKind::kLinear:
            y = bias(j);
            for (std::size_t k = 0; k < in(0).cols; ++k) y += at(0, i, k) * weight(k, j);
            break;
          case OpKind::kScores: {
            const std::size_t width = in(0).cols / op.heads;
            const std::size_t head = i / in(0).rows;
            for (std::size_t c = head * width; c < (head + 1) * width; ++c) {
              y += at(0, i % in(0).rows, c) * at(1, j, c);
            }
            break;
          }
          case OpKind::kMix: {
            const std::size_t head = j / (op.cols / op.heads);
            for (std::size_t k = 0; k < in(1).rows; ++k) {
              y += at(0, head * op.rows + i, k) * at(1, k, j);
            }
            break;
          }
          case OpKind::kMul:
            y = at(0, i, j) * at(1, i, in(1).cols == 1 ? 0 : j);
            break;
          case OpKind::kRowDot:
            for (std::size_t k = 0; k < in(0).cols; ++k) y += at(0, i, k) * at(1, i, k);
            break;
          case OpKind::kSeries: {
            const Series& s = op.series;
            const double x = at(0, i, j) * std::exp2(in(0).frac);
            for (std::size_t k = 0; k < s.poly.size(); ++k) {
              y += static_cast<double>(s.poly[k]) * std::pow(x, static_cast<double>(k)) / unit;
            }
            for (std::size_t k = 0; k < s.cosine.size(); ++k) {
              const double angle = 6.283185307179586 * static_cast<double>(k + 1) * x /
                                   static_cast<double>(s.period);
              y += (static_cast<double>(s.cosine[k]) * std::cos(angle) +
                    static_cast<double>(s.sine[k]) * std::sin(angle)) /
                   std::exp2(s.out_frac - s.phase_bits);
            }
            break;
          }
          case OpKind::kAdd:
            y = at(0, i, j) * scale(0, 0) + static_cast<double>(op.shift) / unit;
            if (op.inputs.size() == 2) {
              const bool row = in(1).rows == op.rows;
              y += at(1, row ? i : 0, in(1).cols == op.cols && row ? j : 0) * scale(1, 1);
            }
            break;
          case OpKind::kAddPerColumn:
            y = at(0, i, j) + at(1, j, 0) * scale(0, 1);
            break;
          case OpKind::kScaleColumns:
            y = at(0, i, j) * weight(0, j) + bias(j);
            break;
          case OpKind::kRowSum:
            for (std::size_t k = 0; k < in(0).cols; ++k) y += at(0, i, k);
            break;
          case OpKind::kRows:
            y = at(0, op.begin + i, j);
            break;
          case OpKind::kOpen:
          case OpKind::kOutput:
            y = at(0, i, j);
            break;
          case OpKind::kAddConstant:
            y = at(0, i, j) + weight(i, j);
            break;
          default:  // Not in EveryKindPlan: see digits_test.cc.
            CHECK(false);
        }
        values[id].push_back(y);
      }
    }
  }
  return values;
}

}  // namespace mpc
