#include "mpc/preprocessing/preprocessor.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"

namespace mpc {
namespace {

// The transpose of a rows x cols matrix.
std::vector<Fp> Transpose(std::span<const Fp> values, std::size_t cols) {
  const std::size_t rows = values.size() / cols;
  std::vector<Fp> out(values.size());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < cols; ++j) out[j * rows + i] = values[i * cols + j];
  }
  return out;
}

// Keys or values that several heads share, repeated for each head: `rows` rows of `wide` columns in
// heads of `width`. Empty when every head has its own.
std::vector<Fp> ForAllHeads(std::span<const Fp> values, std::size_t rows, std::size_t wide,
                            std::size_t width) {
  const std::size_t narrow = values.size() / rows;
  if (narrow == wide) return {};
  std::vector<Fp> out;
  out.reserve(rows * wide);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t head = 0; head < wide / width; ++head) {
      const auto first = values.subspan(row * narrow + head * narrow / wide * width, width);
      out.insert(out.end(), first.begin(), first.end());
    }
  }
  return out;
}

// Masks are kept where expanding them again costs more than memory: for committees with many sets,
// and for attempts of few values.
constexpr std::size_t kManySets = 5;
constexpr std::size_t kFewValues = std::size_t{1} << 22;

bool KeepsMasks(const Reductions& reductions) {
  if (reductions.prss().sets().count() >= kManySets) return true;
  const Layers& layers = reductions.layers();
  std::size_t values = 0;
  for (std::uint32_t layer = 0; layer < layers.depth(); ++layer) values += layers.size(layer);
  return values <= kFewValues;
}

void Append(std::vector<Fp>& out, std::span<const Fp> values) {
  out.insert(out.end(), values.begin(), values.end());
}

}  // namespace

SeriesShares& Preprocessor::Series(TensorId id, const OpenedLayers& opened, KeptShares* kept,
                                   std::optional<SeriesShares>& own) const {
  if (kept == nullptr) return own.emplace(reductions_, id, opened);
  kept->series_.resize(reductions_.plan().ops.size());
  auto& series = kept->series_[id];
  if (!series) series = std::make_unique<SeriesShares>(reductions_, id, opened);
  return *series;
}

OneHotShares& Preprocessor::OneHots(TensorId id, const OpenedLayers& opened, KeptShares* kept,
                                    std::optional<OneHotShares>& own) const {
  if (kept == nullptr) return own.emplace(reductions_, id, opened);
  auto& one_hots = kept->one_hots_[id];
  if (!one_hots) one_hots = std::make_unique<OneHotShares>(reductions_, id, opened);
  return *one_hots;
}

std::vector<Fp> Preprocessor::Message(std::uint32_t layer, const OpenedLayers& opened,
                                      KeptShares* kept) const {
  std::vector<Fp> message(layers().size(layer));
  const auto multiply = [&](ReductionId id, const Claims& claims) {
    const Reduction& reduction = layers().reduction(id);
    const std::span<Fp> values = std::span(message).subspan(reduction.first, reduction.claims);
    ComputeClaims(claims, values);
    std::vector<Fp>* dropped = kept != nullptr && KeepsMask(id) ? &kept->uniform_[id] : nullptr;
    if (kept != nullptr && claims.complex) {
      const std::vector<ProductNode>& nodes = layers().of(reduction.op).nodes;
      const auto node = std::ranges::find(nodes, id, &ProductNode::reduction);
      dropped =
          &kept->series_[reduction.op]->Dropped(static_cast<std::uint32_t>(node - nodes.begin()));
    }
    reductions_.Hide(id, values, dropped);
  };
  ForEachReduction(opened, layer, multiply, kept);
  return message;
}

bool Preprocessor::KeepsMask(ReductionId id) const {
  const Reduction& reduction = layers().reduction(id);
  return reduction.masking == Masking::kUniform && layers().of(reduction.op).direct == id &&
         KeepsMasks(reductions_);
}

std::vector<Fp> Preprocessor::Claimed(ReductionId id, const OpenedLayers& opened,
                                      KeptShares* kept) const {
  if (kept == nullptr || !KeepsMask(id)) return reductions_.Claimed(id, opened);
  std::vector<Fp>& mask = kept->uniform_[id];
  if (mask.empty()) {
    mask = reductions_.prss().Random(reductions_.LabelOf(id, Purpose::kProduct),
                                     layers().reduction(id).claims);
  }
  return reductions_.Claimed(id, opened, mask);
}

void Preprocessor::ForEachReduction(const OpenedLayers& opened,
                                    std::optional<std::uint32_t> only_layer,
                                    const VisitClaims& visit, KeptShares* kept) const {
  const auto wanted = [&](ReductionId id) {
    return !only_layer || layers().reduction(id).layer == *only_layer;
  };
  // Products of wires' masks lie in one layer, all of them.
  const bool masks_wanted = only_layer.value_or(layers().first()) == layers().first();
  const Plan& plan = reductions_.plan();
  const bool keep_masks = kept != nullptr && KeepsMasks(reductions_);
  WireMasks masks(reductions_, keep_masks ? &kept->opens_ : nullptr);
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    if (masks_wanted) masks.Make(id);
    const OpLayers& op_layers = layers().of(id);
    const OpKind kind = plan.ops[id].kind;
    if ((kind == OpKind::kEmbed || OpensDigits(kind)) && op_layers.direct) {
      std::optional<OneHotShares> own;
      OneHotShares& one_hots = OneHots(id, opened, kept, own);
      if (wanted(*op_layers.direct)) visit(*op_layers.direct, one_hots.Squares());
      for (const ProductNode& node : op_layers.nodes) {
        if (!node.leaf() && wanted(node.reduction)) visit(node.reduction, one_hots.Products(node));
      }
    } else {
      std::optional<SeriesShares> own;
      SeriesShares& series = Series(id, opened, kept, own);
      const bool bits = op_layers.bits > 0;
      if (bits && wanted(op_layers.squares)) visit(op_layers.squares, series.Squares());
      if (op_layers.direct && masks_wanted) {
        bits ? VisitSquare(*op_layers.direct, series.Mask(), visit)
             : VisitMaskProducts(id, masks, visit);
      }
      const ProductNode* before = nullptr;
      for (std::uint32_t i = 0; i < op_layers.nodes.size(); ++i) {
        const ProductNode& node = op_layers.nodes[i];
        if (node.reduction == kNone || !wanted(node.reduction)) continue;
        if (node.leaf()) {
          visit(node.reduction, series.PairProduct(i));
          continue;
        }
        Claims products = series.Products(node);
        products.same_left = before != nullptr && before->left == node.left;
        visit(node.reduction, products);
        before = &node;
      }
    }
    if (masks_wanted) masks.Release(id);
  }
}

void Preprocessor::VisitSquare(ReductionId id, std::span<const Fp> mask, const VisitClaims& visit) {
  const Claims::View view{.values = mask, .stride = {0, 0, 1}};
  visit(id, {.a = view, .b = view, .extent = {1, 1, mask.size()}});
}

void Preprocessor::VisitMaskProducts(TensorId id, const WireMasks& masks,
                                     const VisitClaims& visit) const {
  const Op& op = reductions_.plan().ops[id];
  const ReductionId reduction = *layers().of(id).direct;
  Claims claims;
  claims.terms = layers().reduction(reduction).terms;
  claims.a.values = masks.Of(op.inputs.front());
  claims.b.values = masks.Of(op.inputs.back());
  const std::size_t rows = op.rows;
  const std::size_t cols = op.cols;
  switch (op.kind) {
    case OpKind::kMul: {
      const bool broadcast = claims.b.values.size() != op.size();
      claims.extent = {1, rows, cols};
      claims.a.stride = {0, cols, 1};
      claims.b.stride = {0, broadcast ? 1 : cols, broadcast ? 0u : 1u};
      return visit(reduction, claims);
    }
    case OpKind::kSeries:
      return VisitSquare(reduction, claims.a.values, visit);
    case OpKind::kRowDot:
      claims.extent = {1, 1, rows};
      claims.a.stride = claims.b.stride = {0, 0, claims.terms};
      return visit(reduction, claims);
    case OpKind::kScores: {
      const std::size_t width = claims.terms * op.heads;
      const std::vector<Fp> keys = ForAllHeads(claims.b.values, cols, width, claims.terms);
      if (!keys.empty()) claims.b.values = keys;
      claims.extent = {op.heads, rows / op.heads, cols};
      claims.a.stride = {claims.terms, width, 0};
      claims.b.stride = {claims.terms, 0, width};
      return visit(reduction, claims);
    }
    case OpKind::kMix: {
      const std::size_t width = cols / op.heads;
      const std::vector<Fp> values = ForAllHeads(claims.b.values, claims.terms, cols, width);
      const std::vector<Fp> columns =
          Transpose(values.empty() ? claims.b.values : std::span<const Fp>(values), cols);
      claims.b.values = columns;
      claims.extent = {rows, op.heads, width};
      claims.a.stride = {claims.terms, rows * claims.terms, 0};
      claims.b.stride = {0, width * claims.terms, claims.terms};
      return visit(reduction, claims);
    }
    default:
      CHECK(false);
  }
}

// What all members of a set know is a sharing: v f_A.
std::vector<Fp> Preprocessor::Noise(TensorId id) const {
  const Prss& prss = reductions_.prss();
  const Op& op = reductions_.plan().ops[id];
  const PackedIntegers& table = reductions_.plan().constants[op.weight].values;
  const MaskParts parts = prss.Bounded(reductions_.LabelOf(id, Purpose::kNoise), op.size());
  std::vector<Fp> shares(op.size());
  for (SetIndex set = 0; set < prss.sets().count(); ++set) {
    if (!prss.sets().Contains(set, prss.party())) continue;
    const Fp factor = prss.sets().Factor(set, prss.party());
    for (std::size_t i = 0; i < shares.size(); ++i) {
      const auto entry =
          static_cast<std::size_t>(parts.parts[set * op.size() + i] & (table.size() - 1));
      shares[i] += factor * Fp(std::int64_t{table[entry]});
    }
  }
  return shares;
}

Bundle Preprocessor::MakeBundle(const proto::Digest& plan_digest, const OpenedLayers& opened,
                                KeptShares* kept) const {
  const Plan& plan = reductions_.plan();
  const Prss& prss = reductions_.prss();
  const Segment& segment = reductions_.segment();
  Bundle bundle{epoch_, segment.masks.value_or(attempt_), plan_digest, {}, {}};
  bundle.slots.resize(plan.ops.size());
  for (TensorId id = segment.begin; id < plan.ops.size() && segment.Has(id); ++id) {
    const Op& op = plan.ops[id];
    const OpLayers& op_layers = layers().of(id);
    std::vector<Fp>& slot = bundle.slots[id];
    slot.reserve(SlotSize(plan, id));
    if (op.kind == OpKind::kEmbed) {
      std::optional<OneHotShares> own;
      OneHotShares& one_hots = OneHots(id, opened, kept, own);
      Append(slot, one_hots.Indicators());
      Append(slot, one_hots.Numbers());
      if (kept != nullptr) kept->one_hots_[id].reset();
    } else if (OpensDigits(op.kind)) {
      std::optional<OneHotShares> own;
      OneHotShares& one_hots = OneHots(id, opened, kept, own);
      Append(slot, one_hots.Indicators());
      Append(slot, one_hots.Masks());
      if (kept != nullptr) kept->one_hots_[id].reset();
    } else if (const TensorId reader = layers().SeriesOf(id); reader != kNone) {
      std::optional<SeriesShares> own;
      SeriesShares& series = Series(reader, opened, kept, own);
      slot = series.OpeningMask();
      Append(slot, series.Mask());
    } else if (kept != nullptr && id < kept->opens_.size() && !kept->opens_[id].empty()) {
      slot = std::move(kept->opens_[id]);
    } else if (op.kind == OpKind::kOpen) {
      const Label label = reductions_.MaskLabel(id);
      for (const auto& shares :
           reductions_.mask_prss().BoundedShares(label, op.size(), {0, op.drop})) {
        Append(slot, shares);
      }
    } else if (op.kind == OpKind::kNoise) {
      slot = Noise(id);
    } else if (op.kind == OpKind::kOutput) {
      slot = prss.Random(reductions_.LabelOf(id, Purpose::kOutput), op.size());
    } else {
      if (op_layers.direct) {
        std::vector<Fp> mask;
        if (kept != nullptr) mask = std::exchange(kept->uniform_[*op_layers.direct], {});
        Append(slot, reductions_.Result(*op_layers.direct, opened, std::move(mask)));
      }
      std::optional<SeriesShares> own;
      SeriesShares& series = Series(id, opened, kept, own);
      for (const std::uint32_t harmonic : op_layers.results) Append(slot, series.Phases(harmonic));
      if (kept != nullptr) kept->series_[id].reset();
    }
    CHECK(slot.size() == SlotSize(plan, id));
  }
  return bundle;
}

}  // namespace mpc
