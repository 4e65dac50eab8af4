// store_bench [DIRECTORY] [BLOCKS] [TRANSACTIONS]: what the store costs for each transaction of the
// ledger. Writes what a validator does for blocks of opaque transactions of 512 bytes: the batches,
// the block, its receipts, a place for each transaction; one sync a block; batches are erased after
// kKept blocks. CPU is of all threads (LevelDB compacts in one of its own).

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <filesystem>

#include <unistd.h>

#include "node/store/store.h"
#include "proto/base/check.h"
#include "proto/crypto/hash.h"

namespace {

constexpr std::size_t kTransactionSize = 512;
constexpr std::size_t kReceiptSize = 70;
constexpr std::size_t kBatchSize = std::size_t{512} << 10;
constexpr std::size_t kKept = 500;

proto::Bytes Key(char tag, std::uint64_t number) {
  const proto::Digest digest = proto::Hasher("bench").Add(number).Finish();
  proto::Bytes key(1 + digest.bytes.size());
  key[0] = static_cast<std::uint8_t>(tag);
  std::ranges::copy(digest.bytes, key.begin() + 1);
  return key;
}

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

int main(int count, char** texts) {
  const std::string directory = count > 1 ? texts[1] : "/tmp/waxseal-store-bench";
  const std::uint64_t blocks = count > 2 ? std::strtoull(texts[2], nullptr, 10) : 500;
  const std::uint64_t transactions = count > 3 ? std::strtoull(texts[3], nullptr, 10) : 1000;
  std::filesystem::remove_all(directory);
  auto store = node::Store::Open(directory);
  CHECK(store.has_value());
  std::uint64_t number = 0;
  std::deque<proto::Bytes> batches;
  double cpu = 0;
  for (std::uint64_t block = 0; block < blocks; ++block) {
    std::vector<std::vector<node::KeyWrite>> steps(1);
    for (std::size_t left = transactions * kTransactionSize; left > 0;) {
      const std::size_t size = std::min(left, kBatchSize);
      batches.push_back(Key('b', number++));
      steps.push_back({{batches.back(), proto::Bytes(size, static_cast<std::uint8_t>(number))}});
      left -= size;
    }
    auto& writes = steps.emplace_back();
    writes.push_back({Key('x', block), proto::Bytes(transactions * kTransactionSize, 1)});
    writes.push_back({Key('r', block), proto::Bytes(transactions * kReceiptSize, 2)});
    for (std::uint64_t i = 0; i < transactions; ++i) {
      writes.push_back({Key('t', number++), proto::Bytes(12, 3)});
    }
    for (; batches.size() > kKept; batches.pop_front()) {
      writes.push_back({batches.front(), std::nullopt});
    }
    const double before = CpuSeconds();
    for (const auto& step : steps) CHECK((*store)->Apply(step, &step == &steps.back()));
    cpu += CpuSeconds() - before;
  }
  const double all = static_cast<double>(blocks * transactions);
  std::printf("%.2f us of CPU and %.0f bytes written a transaction, %llu syncs, %llu blocks\n",
              cpu * 1e6 / all, static_cast<double>((*store)->bytes_written()) / all,
              static_cast<unsigned long long>((*store)->syncs()),
              static_cast<unsigned long long>(blocks));
  store->reset();
  std::filesystem::remove_all(directory);
  return 0;
}
