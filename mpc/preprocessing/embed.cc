#include "mpc/preprocessing/embed.h"

namespace mpc {
namespace {

// 1 / s for the root s of a square c that is itself a square: c^((p - 3) / 4).
Fp InverseRoot(Fp c) {
  return c.Power((Fp::kModulus - 3) / 4);
}

}  // namespace

EmbedShares::EmbedShares(const Reductions& reductions, const OpenedLayers& opened)
    : reductions_(reductions),
      opened_(opened),
      layers_(reductions.layers().of(0)),
      tokens_(reductions.plan().tokens),
      bit_count_(reductions.plan().digit_bits_high + reductions.plan().digit_bits_low),
      one_hots_(layers_.nodes.size()) {}

std::vector<Fp> EmbedShares::RandomElements() const {
  return reductions_.prss().Random(reductions_.LabelOf(*layers_.direct, Purpose::kBit),
                                   tokens_ * bit_count_);
}

Claims EmbedShares::Squares() {
  elements_ = RandomElements();
  const Claims::View view{.values = elements_, .stride = {0, 0, 1}};
  return {.a = view, .b = view, .extent = {1, 1, elements_.size()}};
}

const std::vector<Fp>& EmbedShares::Bits() {
  if (!bits_.empty() || bit_count_ == 0) return bits_;
  bits_ = RandomElements();
  const std::span<const Fp> squares = reductions_.Opened(*layers_.direct, opened_);
  const Fp half = Fp(2).Inverse();
  for (std::size_t i = 0; i < bits_.size(); ++i) {
    bits_[i] = (bits_[i] * InverseRoot(squares[i]) + Fp(1)) * half;
  }
  return bits_;
}

const std::vector<Fp>& EmbedShares::OneHot(std::uint32_t node) {
  std::vector<Fp>& one_hot = one_hots_[node];
  if (one_hot.empty()) {
    one_hot = layers_.nodes[node].leaf() ? LeafOneHot(node) : JoinedOneHot(layers_.nodes[node]);
  }
  return one_hot;
}

std::vector<Fp> EmbedShares::LeafOneHot(std::uint32_t bit) {
  const std::vector<Fp>& bits = Bits();
  std::vector<Fp> one_hot(2 * tokens_);
  for (std::size_t i = 0; i < tokens_; ++i) {
    one_hot[2 * i + 1] = bits[i * bit_count_ + bit];
    one_hot[2 * i] = Fp(1) - one_hot[2 * i + 1];
  }
  return one_hot;
}

Claims EmbedShares::Products(const ProductNode& node) {
  const std::size_t rows = std::size_t{1} << layers_.nodes[node.left].leaves;
  const std::size_t cols = std::size_t{1} << layers_.nodes[node.right].leaves;
  return {.a = {.values = OneHot(node.left), .stride = {rows, 1, 0}, .base = 1},
          .b = {.values = OneHot(node.right), .stride = {cols, 0, 1}, .base = 1},
          .extent = {tokens_, rows - 1, cols - 1}};
}

std::vector<Fp> EmbedShares::JoinedOneHot(const ProductNode& node) {
  const std::vector<Fp>& left = OneHot(node.left);
  const std::vector<Fp>& right = OneHot(node.right);
  const std::vector<Fp> products = reductions_.Result(node.reduction, opened_);
  const std::size_t rows = left.size() / tokens_;
  const std::size_t cols = right.size() / tokens_;
  std::vector<Fp> joined(tokens_ * rows * cols);
  auto product = products.begin();
  for (std::size_t token = 0; token < tokens_; ++token) {
    Fp* const e = joined.data() + token * rows * cols;
    // Row i sums to left[i], column j to right[j].
    for (std::size_t i = 0; i < rows; ++i) e[i * cols] = left[token * rows + i];
    for (std::size_t j = 1; j < cols; ++j) e[j] = right[token * cols + j];
    for (std::size_t i = 1; i < rows; ++i) {
      for (std::size_t j = 1; j < cols; ++j) {
        const Fp value = *product++;
        e[i * cols + j] = value;
        e[i * cols] -= value;
        e[j] -= value;
      }
    }
    for (std::size_t j = 1; j < cols; ++j) e[0] -= e[j];
  }
  return joined;
}

std::vector<Fp> EmbedShares::Indicators() {
  if (layers_.results.empty()) return std::vector<Fp>(tokens_, Fp(1));
  return OneHot(layers_.results.front());
}

std::vector<Fp> EmbedShares::TokenMasks() {
  const std::vector<Fp>& bits = Bits();
  std::vector<Fp> masks(tokens_);
  for (std::size_t i = 0; i < tokens_; ++i) {
    for (std::size_t j = 0; j < bit_count_; ++j) {
      masks[i] = masks[i] + masks[i] + bits[i * bit_count_ + j];
    }
  }
  return masks;
}

}  // namespace mpc
