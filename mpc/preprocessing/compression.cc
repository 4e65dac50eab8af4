#include "mpc/preprocessing/compression.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

#include "mpc/preprocessing/dot.h"
#include "mpc/preprocessing/nodes.h"
#include "proto/base/check.h"
#include "proto/crypto/prg.h"

namespace mpc {
namespace {

constexpr std::size_t kFirstBlocks = 16;
constexpr std::size_t kBlocks = 128;
constexpr std::size_t kLastPairsMax = 2048;
// Pairs handled at a time: a multiple of both numbers of blocks.
constexpr std::size_t kPiece = 64 * kBlocks;
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

  Fp Next() {
    if (next_ == buffer_.size()) {
      prg_.Fill({reinterpret_cast<std::uint8_t*>(buffer_.data()), sizeof buffer_});
      next_ = 0;
    }
    return Fp::FromUniform(buffer_[next_++]);
  }

 private:
  static_assert(std::endian::native == std::endian::little);
  proto::Prg prg_;
  std::array<UInt128, 256> buffer_;
  std::size_t next_ = buffer_.size();
};

Fp Challenge(const proto::Digest& coin) {
  Elements elements(coin, "zeta");
  Fp zeta = elements.Next();
  while (zeta.value() <= kPointsMax) zeta = elements.Next();
  return zeta;
}

// The matrix of products of blocks: element (i, j) is x(i) . y(j), blocks interleaved in x and y
// (pair p belongs to block p mod k).
class BlockProducts {
 public:
  explicit BlockProducts(std::size_t blocks)
      : blocks_(blocks), sums_(blocks * blocks), columns_x_(kPiece), columns_y_(kPiece) {}

  // `count` is a multiple of k, at most kPiece.
  void Add(const Fp* x, const Fp* y, std::size_t count) {
    const std::size_t length = count / blocks_;
    for (std::size_t l = 0; l < length; ++l) {
      for (std::size_t i = 0; i < blocks_; ++i) {
        columns_x_[i * length + l] = x[l * blocks_ + i];
        columns_y_[i * length + l] = y[l * blocks_ + i];
      }
    }
    for (std::size_t i = 0; i < blocks_; ++i) {
      for (std::size_t j = 0; j < blocks_; ++j) {
        ProductSum sum = sums_[i * blocks_ + j];
        for (std::size_t l = 0; l < length; ++l) {
          sum.Add(columns_x_[i * length + l], columns_y_[j * length + l]);
        }
        sums_[i * blocks_ + j] = sum;
      }
    }
  }

  // h(i) = sum over j, l of L_j(i) L_l(i) x(j) . y(l) at the points that are opened.
  std::vector<Fp> Values() const {
    std::vector<Fp> products;
    products.reserve(sums_.size());
    for (const ProductSum& sum : sums_) products.push_back(sum.Value());
    const Nodes nodes(blocks_);
    std::vector<Fp> values;
    for (std::size_t i = 1; i < 2 * blocks_; ++i) {
      if (i == blocks_) continue;
      const std::vector<Fp> at = nodes.At(Integer(i));
      ProductSum value;
      for (std::size_t j = 0; j < blocks_; ++j) {
        value.Add(at[j], Dot(products.data() + j * blocks_, at.data(), blocks_));
      }
      values.push_back(value.Value());
    }
    return values;
  }

 private:
  const std::size_t blocks_;
  std::vector<ProductSum> sums_;
  std::vector<Fp> columns_x_;
  std::vector<Fp> columns_y_;
};

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
                         const proto::Digest& coin)
    : preprocessor_(preprocessor),
      opened_(opened),
      epoch_(context.epoch),
      attempt_(attempt),
      rho_(coin),
      shapes_(ShapesOf(preprocessor.layers().pairs())) {}

Compression::~Compression() {
  Erase(x_);
  Erase(y_);
}

template <class Visit>
void Compression::Stream(Visit visit) const {
  std::vector<Fp> x(kPiece);
  std::vector<Fp> y(kPiece);
  std::size_t filled = 0;
  Elements rho(rho_, "rho");
  preprocessor_.ForEachReduction(opened_, {}, [&](ReductionId, const Claims& claims) {
    claims.ForEach([&](const Fp* a, const Fp* b) {
      const Fp scale = rho.Next();
      for (std::size_t t = 0; t < claims.terms; ++t) {
        x[filled] = scale * a[t];
        y[filled] = b[t];
        if (++filled == kPiece) {
          visit(x.data(), y.data(), kPiece);
          filled = 0;
        }
      }
    });
  });
  while (filled % kFirstBlocks != 0) {
    x[filled] = y[filled] = Fp();
    ++filled;
  }
  if (filled != 0) visit(x.data(), y.data(), filled);
  Erase(x);
  Erase(y);
}

Fp Compression::ClaimedSum() const {
  Fp sum;
  Elements rho(rho_, "rho");  // Claim by claim in Stream's order, that of the reductions.
  for (ReductionId id = 0; id < preprocessor_.layers().reductions(); ++id) {
    for (const Fp claimed : preprocessor_.reductions().Claimed(id, opened_)) {
      sum += rho.Next() * claimed;
    }
  }
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
    Stream([&](const Fp* x, const Fp* y, std::size_t count) { products.Add(x, y, count); });
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
  Fp missing = step_ == 0 ? ClaimedSum() : s_;
  for (std::size_t i = 0; i + 1 < blocks; ++i) missing -= h[i];
  h.insert(h.begin() + static_cast<std::ptrdiff_t>(blocks - 1), missing);

  const Fp zeta = Challenge(coin);
  const std::vector<Fp> at_h = Nodes(h.size()).At(zeta);
  s_ = Dot(h.data(), at_h.data(), h.size());

  if (last) {
    const auto [random_x, random_y] = RandomPair();
    x_.push_back(random_x);
    y_.push_back(random_y);
  }
  const std::vector<Fp> at = Nodes(last ? blocks + 1 : blocks).At(zeta);
  std::vector<Fp> x;
  std::vector<Fp> y;
  const auto fold = [&](const Fp* from_x, const Fp* from_y, std::size_t count) {
    for (std::size_t first = 0; first < count; first += at.size()) {
      x.push_back(Dot(from_x + first, at.data(), at.size()));
      y.push_back(Dot(from_y + first, at.data(), at.size()));
    }
  };
  if (step_ == 0) {
    Stream(fold);
  } else {
    fold(x_.data(), y_.data(), x_.size());
  }
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
