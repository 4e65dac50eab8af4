#include "mpc/preprocessing/one_hot.h"

namespace mpc {
OneHotShares::OneHotShares(const Reductions& reductions, TensorId op, const OpenedLayers& opened)
    : reductions_(reductions),
      op_(op),
      opened_(opened),
      layers_(reductions.layers().of(op)),
      count_(Count(reductions.plan(), op)),
      bit_count_(Bits(reductions.plan(), op)),
      one_hots_(layers_.nodes.size()) {
  if (layers_.direct) random_bits_.emplace(reductions, *layers_.direct, opened);
}

std::size_t OneHotShares::Count(const Plan& plan, TensorId id) {
  const Op& op = plan.ops[id];
  return op.kind == OpKind::kEmbed ? plan.tokens : plan.ops[op.inputs[0]].size() * op.digits;
}

std::size_t OneHotShares::Bits(const Plan& plan, TensorId id) {
  const Op& op = plan.ops[id];
  return op.kind == OpKind::kEmbed ? plan.digit_bits_high + plan.digit_bits_low : op.digit_bits;
}

const std::vector<Fp>& OneHotShares::OneHot(std::uint32_t node) {
  std::vector<Fp>& one_hot = one_hots_[node];
  if (one_hot.empty()) {
    one_hot = layers_.nodes[node].leaf() ? LeafOneHot(node) : JoinedOneHot(layers_.nodes[node]);
  }
  return one_hot;
}

std::vector<Fp> OneHotShares::LeafOneHot(std::uint32_t bit) {
  const std::vector<Fp>& bits = random_bits_->Bits();
  std::vector<Fp> one_hot(2 * count_);
  for (std::size_t i = 0; i < count_; ++i) {
    one_hot[2 * i + 1] = bits[i * bit_count_ + bit];
    one_hot[2 * i] = Fp(1) - one_hot[2 * i + 1];
  }
  return one_hot;
}

Claims OneHotShares::Products(const ProductNode& node) {
  const std::size_t rows = std::size_t{1} << layers_.nodes[node.left].leaves;
  const std::size_t cols = std::size_t{1} << layers_.nodes[node.right].leaves;
  return {.a = {.values = OneHot(node.left), .stride = {rows, 1, 0}, .base = 1},
          .b = {.values = OneHot(node.right), .stride = {cols, 0, 1}, .base = 1},
          .extent = {count_, rows - 1, cols - 1}};
}

std::vector<Fp> OneHotShares::JoinedOneHot(const ProductNode& node) {
  const std::vector<Fp>& left = OneHot(node.left);
  const std::vector<Fp>& right = OneHot(node.right);
  const std::vector<Fp> products = reductions_.Result(node.reduction, opened_);
  const std::size_t rows = left.size() / count_;
  const std::size_t cols = right.size() / count_;
  std::vector<Fp> joined(count_ * rows * cols);
  auto product = products.begin();
  for (std::size_t one = 0; one < count_; ++one) {
    Fp* const e = joined.data() + one * rows * cols;
    // Row i sums to left[i], column j to right[j].
    for (std::size_t i = 0; i < rows; ++i) e[i * cols] = left[one * rows + i];
    for (std::size_t j = 1; j < cols; ++j) e[j] = right[one * cols + j];
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

std::vector<Fp> OneHotShares::Indicators() {
  if (layers_.results.empty()) return std::vector<Fp>(count_, Fp(1));
  return OneHot(layers_.results.front());
}

std::vector<Fp> OneHotShares::Numbers() {
  std::vector<Fp> masks(count_);
  if (!random_bits_) return masks;
  const std::vector<Fp>& bits = random_bits_->Bits();
  for (std::size_t i = 0; i < count_; ++i) {
    for (std::size_t j = 0; j < bit_count_; ++j) {
      masks[i] = masks[i] + masks[i] + bits[i * bit_count_ + j];
    }
  }
  return masks;
}

std::vector<Fp> OneHotShares::Masks() {
  const Op& op = reductions_.plan().ops[op_];
  const Fp digit(std::int64_t{1} << op.digit_bits);
  const Fp high(std::int64_t{1} << op.masked_bits());
  const std::size_t size = reductions_.plan().ops[op.inputs[0]].size();
  std::vector<Fp> masks =
      std::move(reductions_.mask_prss()
                    .BoundedShares(reductions_.MaskLabel(op_), size, {op.masked_bits()})
                    .front());
  const std::vector<Fp> numbers = Numbers();
  for (std::size_t i = 0; i < masks.size(); ++i) {
    Fp low;
    for (std::size_t d = op.digits; d-- > 0;) low = low * digit + numbers[i * op.digits + d];
    masks[i] = masks[i] * high + low;
  }
  return masks;
}

}  // namespace mpc
