// What the cryptography costs on one core of this machine, in CPU time so that neighbours count
// little: one JSON object a line.

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "proto/crypto/coin.h"
#include "proto/crypto/dealing.h"
#include "proto/crypto/ecies.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/merkle.h"
#include "proto/crypto/prg.h"

namespace proto {
namespace {

constexpr int kRuns = 9;
constexpr double kSecondsMin = 0.04;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The best of nine runs of 40 ms, in seconds a call.
double Seconds(const std::function<void()>& work) {
  double best = 1e9;
  for (int run = 0; run < kRuns; ++run) {
    const double start = CpuSeconds();
    double elapsed = 0;
    int calls = 0;
    for (; elapsed < kSecondsMin; elapsed = CpuSeconds() - start, ++calls) work();
    best = std::min(best, elapsed / calls);
  }
  return best;
}

void Time(const std::string& name, const std::function<void()>& work) {
  std::printf("{\"name\": \"%s\", \"microseconds\": %.3f}\n", name.c_str(), 1e6 * Seconds(work));
}

void Throughput(const std::string& name, std::size_t bytes, const std::function<void()>& work) {
  std::printf("{\"name\": \"%s\", \"gigabytes_per_second\": %.2f}\n", name.c_str(),
              1e-9 * static_cast<double>(bytes) / Seconds(work));
}

void Streams() {
  constexpr int kReads = 1000;
  Bytes large(std::size_t{64} << 20);
  std::array<std::uint8_t, 16> block{};
  const Bytes master(32, 1);
  Prg prg(master, {});
  Throughput("Prg::Fill, 64 MiB", large.size(), [&] { prg.Fill(large); });
  Throughput("Prg::Fill, 16 bytes", kReads * block.size(), [&] {
    for (int i = 0; i < kReads; ++i) prg.Fill(block);
  });
  Time("a new Prg and its first 16 bytes", [&] { Prg(master, {}).Fill(block); });
  Throughput("MerkleRootOfBytes", large.size(), [&] { (void)MerkleRootOfBytes(large); });
  Time("Hash, 16 bytes", [&] { (void)Hash("waxseal/bench", {block}); });
}

void Keys() {
  const SecretKey key = std::move(SecretKey::From(Bytes(32, 5)).value());
  const Digest message;
  const Signature signature = key.Sign(message);
  const Bytes entropy(32, 1);
  const Bytes sealed = Seal(key.public_key(), {}, entropy, entropy);
  Time("Sign", [&] { (void)key.Sign(message); });
  Time("Verify", [&] { (void)Verify(key.public_key(), message, signature); });
  Time("Seal, 32 bytes", [&] { (void)Seal(key.public_key(), {}, entropy, entropy); });
  Time("OpenSealed, 32 bytes", [&] { (void)OpenSealed(key, {}, sealed); });
}

void Coins() {
  const Digest name;
  for (const std::uint16_t size : std::vector<std::uint16_t>{4, 7, 16, 50}) {
    const Committee committee(size);
    const CoinKeys keys = DealCoin(committee, committee.validity(), Bytes(32, 1));
    std::vector<std::pair<PartyId, CoinShare>> shares;
    for (std::uint16_t i = 0; i < committee.validity(); ++i) {
      shares.emplace_back(PartyId{i}, MakeCoinShare(keys.secrets[i], PartyId{i}, name));
    }
    const std::string among = ", n = " + std::to_string(size);
    Time("MakeCoinShare" + among, [&] { (void)MakeCoinShare(keys.secrets[0], PartyId{0}, name); });
    Time("VerifyCoinShare" + among,
         [&] { (void)VerifyCoinShare(keys.public_key, PartyId{0}, name, shares[0].second); });
    Time("CombineCoin" + among, [&] { (void)CombineCoin(keys.public_key, name, shares); });
  }
}

void Dealings() {
  const Digest context;
  for (const std::uint16_t size : std::vector<std::uint16_t>{4, 16, 50}) {
    const std::uint16_t threshold = Committee(size).validity();
    std::vector<PublicKey> recipients;
    for (std::uint16_t i = 0; i < size; ++i) {
      recipients.push_back(SecretKey::From(Hash("waxseal/bench", {Bytes{std::uint8_t(i)}}).bytes)
                               .value()
                               .public_key());
    }
    const SecretKey key =
        std::move(SecretKey::From(Hash("waxseal/bench", {Bytes{0}}).bytes).value());
    const Dealing dealing = Deal(context, recipients, threshold, Bytes(32, 1));
    const std::string among = ", n = " + std::to_string(size);
    std::printf("{\"name\": \"EncodeDealing%s\", \"bytes\": %zu}\n", among.c_str(),
                EncodeDealing(dealing).size());
    Time("Deal" + among, [&] { (void)Deal(context, recipients, threshold, Bytes(32, 1)); });
    Time("VerifyDealing" + among,
         [&] { (void)VerifyDealing(context, recipients, threshold, dealing); });
    Time("OpenDealing" + among,
         [&] { (void)OpenDealing(context, recipients, threshold, PartyId{0}, key, dealing); });
    const std::vector<Dealing> dealings(threshold, dealing);
    Time("CombineKeys of f + 1" + among, [&] { (void)CombineKeys(dealings, size); });
  }
}

}  // namespace
}  // namespace proto

int main() {
  proto::Streams();
  proto::Keys();
  proto::Coins();
  proto::Dealings();
}
