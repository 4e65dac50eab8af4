// What the MPC arithmetic costs on one core of this machine: one JSON object a line, in seconds of
// processor time, so that neighbours disturb little.

#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "mpc/field/gemm.h"
#include "mpc/field/products.h"
#include "mpc/functions/trig.h"
#include "mpc/sharing/replicated.h"
#include "mpc/sharing/shamir.h"

namespace mpc {
namespace {

constexpr double kSecondsMin = 0.5;

// Calls `work` for half a second and prints how many of `units` it did a second.
void Measure(const std::string& name, const std::string& unit, double units,
             const std::function<void()>& work) {
  work();  // Caches, page tables, dispatch.
  const std::clock_t start = std::clock();
  double seconds = 0;
  int calls = 0;
  while (seconds < kSecondsMin) {
    work();
    ++calls;
    seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  std::printf("{\"name\": \"%s\", \"unit\": \"%s\", \"per_second\": %.4g}\n", name.c_str(),
              unit.c_str(), units * calls / seconds);
  std::fflush(stdout);
}

std::vector<Fp> Elements(std::size_t count) {
  std::vector<Fp> elements(count);
  Fp x(123456789);
  for (Fp& element : elements) element = x = x * x + Fp(1);
  return elements;
}

void Gemm() {
  const char* const names[] = {"portable", "avx2", "ifma", "bytes"};
  struct Shape {
    std::size_t rows, inner, cols;
  };
  // Of BERT-base, BERT-tiny and MiniLM, and of eight tokens of LLaMA-7B.
  for (const auto [rows, inner, cols] : {Shape{128, 768, 768},
                                         {64, 128, 128},
                                         {32, 384, 1536},
                                         {8, 4096, 4096},
                                         {8, 4096, 11008},
                                         {8, 11008, 4096}}) {
    const auto x = Elements(rows * inner);
    std::vector<Fp> y(rows * cols);
    for (const unsigned bits : {8u, 16u, 18u}) {
      std::vector<std::int32_t> values(inner * cols);
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] =
            static_cast<std::int32_t>(static_cast<std::uint32_t>(i * 2654435761u) >> (32 - bits)) -
            (1 << (bits - 1));
      }
      const PackedIntegers w(values);
      for (const GemmPath path :
           {GemmPath::kPortable, GemmPath::kAvx2, GemmPath::kIfma, GemmPath::kBytes}) {
        if (!Supported(path) || (path == GemmPath::kBytes && bits > 16)) continue;
        if (rows == 8 && (path < GemmPath::kIfma || bits > 16)) continue;
        Measure("gemm share x " + std::to_string(bits) + "-bit weight " + std::to_string(rows) +
                    "x" + std::to_string(inner) + "x" + std::to_string(cols) + ", " +
                    names[static_cast<int>(path)],
                "multiply-adds", static_cast<double>(rows * inner * cols),
                [&] { AddProduct(x, w, rows, inner, cols, y, path); });
        if (bits > 8 || path != BestPath(rows, 1)) continue;
        // What a map in bytes and columns costs (mpc/model/columns.h).
        const auto factors = Elements(cols);
        Measure("gemm share x 8-bit weight and factor " + std::to_string(rows) + "x" +
                    std::to_string(inner) + "x" + std::to_string(cols),
                "multiply-adds", static_cast<double>(rows * inner * cols), [&] {
                  std::vector<Fp> products(rows * cols);
                  AddProduct(x, w, rows, inner, cols, products, path);
                  for (std::size_t i = 0; i < products.size(); i += cols) {
                    AddProducts(factors.data(), &products[i], cols, &y[i]);
                  }
                });
      }
    }
  }
  const std::size_t rows = 128, inner = 768;
  const auto x = Elements(rows * inner);
  const auto b = Elements(inner * 64);
  std::vector<Fp> z(rows * 64);
  Measure("gemm share x share 128x768x64", "multiply-adds", static_cast<double>(rows * inner * 64),
          [&] {
            AddProduct({x.data(), inner, 1}, {b.data(), 64, 1}, rows, inner, 64, z.data(), 64);
          });
}

void Sharing(std::uint16_t n) {
  const std::string size = ", n = " + std::to_string(n);
  const proto::Committee committee(n);
  const ReplicatedSets sets(committee);
  const auto keys = DealReplicatedKeys(sets, proto::Bytes(32, 1));
  const Prss prss(sets, keys[0]);
  const std::size_t count = n == 4 ? 1 << 18 : 1 << 15;
  const Label label{1, 1, 1, Purpose::kMask};
  Measure("prss random" + size, "shares", static_cast<double>(count),
          [&] { prss.Random(label, count); });
  Measure("prss zero" + size, "shares", static_cast<double>(count),
          [&] { prss.Zero(label, count); });
  MaskParts masks;
  Measure("prss bounded parts" + size, "masks", static_cast<double>(count),
          [&] { masks = prss.Bounded(label, count); });
  Measure("prss share of parts" + size, "shares", static_cast<double>(count),
          [&] { prss.ShareOf(masks, 16); });

  std::vector<std::vector<Fp>> shares;
  for (const ReplicatedKeys& key : keys) shares.push_back(Prss(sets, key).Random(label, count));
  const auto decode = [&](std::uint16_t first) {
    RobustDecoder decoder(committee, count);
    for (std::uint16_t i = first; !decoder.decoded(); ++i) {
      decoder.Add(proto::PartyId{i}, shares[i]);
    }
  };
  Measure("decode, all agree" + size, "openings", static_cast<double>(count), [&] { decode(0); });
  for (std::size_t i = 0; i < count; i += 2) shares[0][i] += Fp(1);
  Measure("decode, first party lies" + size, "openings", static_cast<double>(count),
          [&] { decode(0); });
  std::vector<Fp> values = Elements(count);
  proto::Bytes bytes;
  if (n != 4) return;
  Measure("encode elements", "elements", static_cast<double>(count),
          [&] { bytes = EncodeElements(values); });
  Measure("decode elements", "elements", static_cast<double>(count),
          [&] { values = *DecodeElements(bytes); });
}

void Functions() {
  constexpr int kCount = 1 << 14;
  std::int64_t sum = 0;
  Measure("cosine and sine", "angles", kCount, [&] {
    for (int i = 0; i < kCount; ++i) {
      sum += IntegerCosSin((Int128{i} << 100) + i, 1310720, 28).cos;
    }
  });
  if (sum == 1) std::printf("\n");  // The sum is used.
}

}  // namespace
}  // namespace mpc

int main() {
  mpc::Gemm();
  mpc::Sharing(4);
  mpc::Sharing(7);
  mpc::Sharing(10);
  mpc::Functions();
}
