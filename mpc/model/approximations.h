// Published approximations of GELU and softmax, for checkpoints and tables that use them.
//
// PUMA (Dong, Lu, Zheng, Wu, Zhao, Tan, Huang, Hong, Wei, Chen, "PUMA: Secure inference of LLaMA-7B
// in five minutes", 2023):
//   GELU     0 below -4, a cubic to -1.95, a polynomial of degree 6 to 3, x beyond: three
//            comparisons an element
//   softmax  the row's greatest score is subtracted; exp(y) = (1 + y / 32)^32 for y >= -14, else 0;
//            one reciprocal a row
//   1/z      z scaled to [1/2, 1) by comparisons with powers of two, 2.9142 - 2c, then two steps of
//            Goldschmidt (Catrina, Saxena 2010, which PUMA's framework takes)
// MPCFormer (Li, Shao, Wang, Guo, Xing, Zhang, ICLR 2023):
//   Quad     x^2 / 8 + x / 4 + 1/2 for GELU
//   2Quad    (s + 5)^2 over the sum of the text's, for softmax
//
// 2Quad's sums may be of any size, so they are divided by with that reciprocal, too. Norms and tanh
// are the fitted series of mpc/model/blocks.h in either.
#pragma once

#include <string>

#include "mpc/model/blocks.h"

namespace mpc {

// Sharings of a wire's GELU.
TensorId PumaGelu(PlanBuilder& builder, Blocks& blocks, TensorId x, const std::string& name);
TensorId QuadGelu(PlanBuilder& builder, TensorId x, const std::string& name);

// Wires of the probabilities, from a sharing of the scores; those of pads count as 0, where the
// wire text [columns x 1] says 0. `bias`: by how much a pad's score is lowered.
TensorId PumaSoftmax(PlanBuilder& builder, Blocks& blocks, TensorId scores, TensorId text,
                     double bias, const std::string& name);
// Scores of pads must be 0 already.
TensorId QuadSoftmax(PlanBuilder& builder, Blocks& blocks, TensorId scores, TensorId text,
                     const std::string& name);

// Wire of 1/z for a wire [rows x 1] of values in the range, which is positive.
TensorId PumaReciprocal(PlanBuilder& builder, Blocks& blocks, TensorId z, Range range,
                        const std::string& name);

}  // namespace mpc
