#include "mpc/preprocessing/compression.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/field/products.h"
#include "mpc/preprocessing/nodes.h"
#include "proto/base/check.h"
#include "proto/crypto/prg.h"

namespace mpc {
namespace {

constexpr std::size_t kFirstBlocks = 16;
constexpr std::size_t kBlocks = 64;
constexpr std::size_t kLastPairsMax = 2048;
// Pairs handled at a time: a multiple of both numbers of blocks.
constexpr std::size_t kPiece = 128 * kBlocks;
// Challenges lie above every point that carries a value.
constexpr std::size_t kPointsMax = 2 * kLastPairsMax + 1;
static_assert(2 * kBlocks < kPointsMax);

Fp Integer(std::size_t value) {
  return Fp(static_cast<std::int64_t>(value));
}

void Erase(std::vector<Fp>& secret) {
  proto::SecureErase(secret.data(), secret.size() * sizeof(Fp));
  secret.clear();
}

// Uniform field elements from a coin.
class Elements {
 public:
  Elements(const proto::Digest& coin, std::string_view purpose)
      : prg_(coin.span(), proto::AsBytes(purpose)) {}

  void Fill(std::span<Fp> out) {
    static_assert(std::endian::native == std::endian::little && sizeof(Fp) == sizeof(UInt128));
    prg_.Fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size_bytes()});
    for (Fp& element : out) {
      UInt128 bits;
      std::memcpy(&bits, &element, sizeof bits);
      element = Fp::FromUniform(bits);
    }
  }

 private:
  proto::Prg prg_;
};

Fp Challenge(const proto::Digest& coin) {
  Elements elements(coin, "zeta");
  Fp zeta;
  while (zeta.value() <= kPointsMax) elements.Fill({&zeta, 1});
  return zeta;
}

// The matrix of products of blocks: element (i, j) is x(i) . y(j). Vectors come in pieces, and
// every piece is cut into k parts, one of each block.
class BlockProducts {
 public:
  explicit BlockProducts(std::size_t blocks) : blocks_(blocks), sums_(blocks * blocks) {}

  // `count` is a multiple of k.
  void Add(const Fp* x, const Fp* y, std::size_t count) {
    AddRowProducts(x, y, blocks_, count / blocks_, sums_);
  }

  // h(i) = sum over j, l of L_j(i) L_l(i) x(j) . y(l) at the points that are opened.
  std::vector<Fp> Values() const {
    const Nodes nodes(blocks_);
    std::vector<Fp> values;
    for (std::size_t i = 1; i < 2 * blocks_; ++i) {
      if (i == blocks_) continue;
      const std::vector<Fp> at = nodes.At(Integer(i));
      Fp value;
      for (std::size_t j = 0; j < blocks_; ++j) {
        value += at[j] * InnerProduct(sums_.data() + j * blocks_, at.data(), blocks_);
      }
      values.push_back(value);
    }
    return values;
  }

 private:
  const std::size_t blocks_;
  std::vector<Fp> sums_;
};

// Pairs put together to pieces, and the complex ones of one left factor to fewer.
template <class Visit>
class Pieces {
 public:
  explicit Pieces(Visit visit) : visit_(std::move(visit)), x_(kPiece), y_(kPiece) {}
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  ~Pieces() {
    Erase(x_);
    Erase(y_);
    Erase(left_);
    Erase(right_);
  }

  void Add(const Claims& claims, const ClaimWeights& weights) {
    if (!claims.same_left) EndLeft();
    if (!claims.complex) {
      weights.ForEachPair(
          [this](const Fp* x, const Fp* y, std::size_t count) { Put(x, y, count); });
      return;
    }
    if (!claims.same_left) left_.assign(claims.a.values.begin(), claims.a.values.end());
    right_.resize(left_.size());
    weights.AddComplex(right_);
  }
  // Fills up with zeros to whole groups of k.
  void Finish() {
    EndLeft();
    if (filled_ == 0) return;
    const std::size_t count = (filled_ + kFirstBlocks - 1) / kFirstBlocks * kFirstBlocks;
    std::fill(x_.begin() + static_cast<std::ptrdiff_t>(filled_), x_.end(), Fp());
    std::fill(y_.begin() + static_cast<std::ptrdiff_t>(filled_), y_.end(), Fp());
    visit_(x_.data(), y_.data(), count);
  }

 private:
  void EndLeft() {
    Put(left_.data(), right_.data(), left_.size());
    left_.clear();
    right_.clear();
  }
  void Put(const Fp* x, const Fp* y, std::size_t count) {
    while (count > 0) {
      if (filled_ == 0 && count >= kPiece) {  // A whole piece where it lies.
        visit_(x, y, kPiece);
        x += kPiece;
        y += kPiece;
        count -= kPiece;
        continue;
      }
      const std::size_t size = std::min(count, kPiece - filled_);
      std::copy_n(x, size, x_.begin() + static_cast<std::ptrdiff_t>(filled_));
      std::copy_n(y, size, y_.begin() + static_cast<std::ptrdiff_t>(filled_));
      filled_ += size;
      x += size;
      y += size;
      count -= size;
      if (filled_ < kPiece) continue;
      visit_(x_.data(), y_.data(), kPiece);
      filled_ = 0;
    }
  }

  Visit visit_;
  std::vector<Fp> x_, y_;
  std::size_t filled_ = 0;
  std::vector<Fp> left_, right_;  // Complex pairs not yet put.
};

// Blocks folded to one: the part of each block in a piece, weighted.
void FoldPiece(std::span<const Fp> at, const Fp* piece, std::size_t count, std::vector<Fp>& out) {
  const std::size_t length = count / at.size();
  std::vector<const UInt128*> parts;
  for (std::size_t j = 0; j < at.size(); ++j) parts.push_back(Integers(piece + j * length));
  out.resize(out.size() + length);
  AddCombination(at, parts, length, out.data() + (out.size() - length));
}

void FillUp(std::vector<Fp>& values, std::size_t multiple) {
  values.resize((values.size() + multiple - 1) / multiple * multiple);
}

}  // namespace

std::vector<Compression::Shape> Compression::ShapesOf(std::uint64_t pairs) {
  std::vector<Shape> shapes{{kFirstBlocks, false}};
  std::uint64_t length = (pairs + kFirstBlocks - 1) / kFirstBlocks;
  for (; length > kLastPairsMax; length = (length + kBlocks - 1) / kBlocks) {
    shapes.push_back({kBlocks, false});
  }
  shapes.push_back({std::max<std::size_t>(length, 1), true});
  return shapes;
}

std::vector<std::size_t> CompressionSizes(std::uint64_t pairs) {
  std::vector<std::size_t> sizes;
  for (const auto& [blocks, last] : Compression::ShapesOf(pairs)) {
    sizes.push_back(last ? 2 * blocks : 2 * blocks - 2);
  }
  return sizes;
}

Compression::Compression(const PartyContext& context, std::uint64_t attempt,
                         const Preprocessor& preprocessor, const OpenedLayers& opened,
                         const proto::Digest& coin, KeptShares* kept)
    : preprocessor_(preprocessor),
      opened_(opened),
      kept_(kept),
      epoch_(context.epoch),
      attempt_(attempt),
      rho_(coin),
      shapes_(ShapesOf(preprocessor.layers().pairs())) {}

Compression::~Compression() {
  Erase(x_);
  Erase(y_);
}

template <class Visit>
Fp Compression::Stream(bool claimed, Visit visit) const {
  Elements rho(rho_, "rho");
  const auto next = [&](std::span<Fp> out) { rho.Fill(out); };
  Pieces<Visit> pieces(std::move(visit));
  Fp sum;
  const auto add = [&](ReductionId id, const Claims& claims) {
    const ClaimWeights weights(claims, next);
    pieces.Add(claims, weights);
    if (claimed) sum += weights.Combine(preprocessor_.Claimed(id, opened_, kept_));
  };
  preprocessor_.ForEachReduction(opened_, {}, add, kept_);
  pieces.Finish();
  return sum;
}

std::array<Fp, 2> Compression::RandomPair() const {
  const std::vector<Fp> pair =
      preprocessor_.reductions().prss().Random(LabelOf(Purpose::kVerify), 2);
  return {pair[0], pair[1]};
}

std::vector<Fp> Compression::InnerValues() const {
  BlockProducts products(shapes_[step_].blocks);
  if (step_ == 0) {
    Stream(false, [&](const Fp* x, const Fp* y, std::size_t count) { products.Add(x, y, count); });
  } else {
    for (std::size_t first = 0; first < x_.size(); first += kPiece) {
      products.Add(x_.data() + first, y_.data() + first, std::min(kPiece, x_.size() - first));
    }
  }
  return products.Values();
}

std::vector<Fp> Compression::LastValues() const {
  const std::size_t blocks = shapes_[step_].blocks;
  const auto [random_x, random_y] = RandomPair();
  std::vector<Fp> x = x_;
  std::vector<Fp> y = y_;
  x.push_back(random_x);
  y.push_back(random_y);
  // f and g at 1 .. 2k + 1, of degree k.
  const Nodes nodes(x.size());
  const std::vector<Fp> more_x = nodes.Extend(x, 2 * blocks + 1);
  const std::vector<Fp> more_y = nodes.Extend(y, 2 * blocks + 1);
  x.insert(x.end(), more_x.begin(), more_x.end());
  y.insert(y.end(), more_y.begin(), more_y.end());
  std::vector<Fp> values;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i + 1 != blocks) values.push_back(x[i] * y[i]);
  }
  Erase(x);
  Erase(y);
  return values;
}

std::vector<Fp> Compression::Message() const {
  CHECK(step_ < shapes_.size());
  std::vector<Fp> message = shapes_[step_].last ? LastValues() : InnerValues();
  const Prss& prss = preprocessor_.reductions().prss();
  const std::vector<Fp> mask = prss.Random(LabelOf(Purpose::kVerifyProduct), message.size());
  const std::vector<Fp> zero = prss.Zero(LabelOf(Purpose::kVerifyZero), message.size());
  for (std::size_t i = 0; i < message.size(); ++i) message[i] += mask[i] + zero[i];
  return message;
}

void Compression::Fold(std::span<const Fp> values, const proto::Digest& coin) {
  CHECK(step_ < shapes_.size());
  const auto [blocks, last] = shapes_[step_];
  // [h] at 1, 2, ..: opened minus mask, and the one at k from the sum over 1 .. k.
  std::vector<Fp> h =
      preprocessor_.reductions().prss().Random(LabelOf(Purpose::kVerifyProduct), values.size());
  for (std::size_t i = 0; i < h.size(); ++i) h[i] = values[i] - h[i];

  const Fp zeta = Challenge(coin);
  if (last) {
    const auto [random_x, random_y] = RandomPair();
    x_.push_back(random_x);
    y_.push_back(random_y);
  }
  const std::vector<Fp> at = Nodes(last ? blocks + 1 : blocks).At(zeta);
  std::vector<Fp> x;
  std::vector<Fp> y;
  const auto fold = [&](const Fp* from_x, const Fp* from_y, std::size_t count) {
    FoldPiece(at, from_x, count, x);
    FoldPiece(at, from_y, count, y);
  };
  Fp missing = s_;
  if (step_ == 0) {
    missing = Stream(true, fold);
  } else if (last) {
    fold(x_.data(), y_.data(), x_.size());
  } else {
    for (std::size_t first = 0; first < x_.size(); first += kPiece) {
      fold(x_.data() + first, y_.data() + first, std::min(kPiece, x_.size() - first));
    }
  }
  for (std::size_t i = 0; i + 1 < blocks; ++i) missing -= h[i];
  h.insert(h.begin() + static_cast<std::ptrdiff_t>(blocks - 1), missing);
  const std::vector<Fp> at_h = Nodes(h.size()).At(zeta);
  s_ = InnerProduct(h.data(), at_h.data(), h.size());
  ++step_;
  // The next step's vectors are filled up with zeros to whole groups.
  if (step_ < shapes_.size()) {
    FillUp(x, shapes_[step_].blocks);
    FillUp(y, shapes_[step_].blocks);
  }
  Erase(x_);
  Erase(y_);
  x_ = std::move(x);
  y_ = std::move(y);
}

std::array<Fp, 3> Compression::Triple() const {
  CHECK(step_ == shapes_.size() && x_.size() == 1);
  return {x_[0], y_[0], s_};
}

}  // namespace mpc
