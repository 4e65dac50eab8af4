// What preprocessing one bundle costs, member by member, on one core of this machine: one JSON
// object a line, times in CPU seconds. All members run in this process one after the other, so a
// figure "a member" is the total divided by their number.
//
//   preprocessing_bench             a plan of the size of BERT-tiny, 32 tokens
//   preprocessing_bench PLAN [N]    an encoded plan (mpc::EncodePlan), N members

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <time.h>

#include "mpc/preprocessing/attempt.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"

namespace mpc {
namespace {

// CPU seconds of this thread: other programs on the machine do not count.
double Now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void Print(const std::string& name, const char* unit, double value) {
  std::printf("{\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.4g}\n", name.c_str(), unit, value);
  std::fflush(stdout);
}

// The products of a BERT with 2 layers of 128 columns, 2 heads and 512 inner columns: what it
// multiplies and where, not what it computes.
Plan TinyPlan(std::uint32_t tokens) {
  Plan plan;
  plan.architecture = "bench";
  plan.tokens = tokens;
  plan.vocabulary = 30'522;
  plan.digit_bits_high = 8;
  plan.digit_bits_low = 7;
  const auto add = [&](OpKind kind, std::vector<TensorId> inputs, std::uint32_t rows,
                       std::uint32_t cols) -> Op& {
    Op& op = plan.ops.emplace_back();
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.rows = rows;
    op.cols = cols;
    op.wire = kind == OpKind::kOpen;
    op.drop = op.wire ? 16 : 0;
    return op;
  };
  const auto open = [&](std::uint32_t rows, std::uint32_t cols) {
    add(OpKind::kOpen, {0}, rows, cols);
    return static_cast<TensorId>(plan.ops.size() - 1);
  };
  const auto series = [&](TensorId wire, std::size_t powers, std::size_t harmonics) {
    const Op in = plan.ops[wire];
    Series& s = add(OpKind::kSeries, {wire}, in.rows, in.cols).series;
    s.period = 1'310'720;
    s.phase_bits = 24;
    s.poly.resize(powers);
    s.cosine.resize(harmonics);
    s.sine.resize(harmonics);
  };
  add(OpKind::kEmbed, {}, tokens, 128);
  for (int layer = 0; layer < 2; ++layer) {
    const TensorId q = open(tokens, 128), k = open(tokens, 128), v = open(tokens, 128);
    add(OpKind::kScores, {q, k}, 2 * tokens, tokens).heads = 2;
    const TensorId scores = open(2 * tokens, tokens);
    series(scores, 3, 6);
    for (int step = 0; step < 3; ++step) {
      const TensorId u = open(2 * tokens, tokens);
      add(OpKind::kMul, {u, u}, 2 * tokens, tokens);
      series(open(2 * tokens, 1), 3, 10);
    }
    const TensorId p = open(2 * tokens, tokens);
    add(OpKind::kMix, {p, v}, tokens, 128).heads = 2;
    for (int norm = 0; norm < 2; ++norm) {
      const TensorId x = open(tokens, 128);
      add(OpKind::kRowDot, {x, x}, tokens, 1);
      series(open(tokens, 1), 3, 10);
      add(OpKind::kMul, {x, open(tokens, 1)}, tokens, 128);
    }
    series(open(tokens, 512), 3, 10);  // GELU
  }
  return plan;
}

struct Committee {
  explicit Committee(std::uint16_t n) : committee(n), sets(committee) {
    const auto seed = [](std::uint64_t purpose) {
      return proto::Hasher("bench").Add(purpose).Finish();
    };
    replicated = DealReplicatedKeys(sets, seed(0).span());
    coin = proto::DealCoin(committee, committee.validity(), seed(1).span());
    std::vector<proto::PublicKey> public_keys;
    for (std::uint16_t i = 0; i < n; ++i) {
      keys.push_back(std::move(*proto::SecretKey::From(seed(2u + i).span())));
      public_keys.push_back(keys.back().public_key());
    }
    for (std::uint16_t i = 0; i < n; ++i) {
      contexts.push_back({committee, proto::PartyId{i}, &keys[i], public_keys, seed(1000), 1, &sets,
                          &replicated[i], coin.public_key, &coin.secrets[i]});
    }
  }
  proto::Committee committee;
  ReplicatedSets sets;
  std::vector<ReplicatedKeys> replicated;
  proto::CoinKeys coin;
  std::vector<proto::SecretKey> keys;
  std::vector<PartyContext> contexts;
};

// One honest attempt over an instant network and ledger.
void RunAttempt(const Committee& committee, const std::shared_ptr<const Plan>& plan) {
  const std::uint16_t n = committee.committee.size();
  const std::string size = ", n = " + std::to_string(n);
  const std::vector<std::size_t> sizes = LayerSizes(*plan, committee.committee);
  const Layers layers(*plan, committee.sets.count());
  double values = 0;
  for (std::uint32_t layer = 0; layer < layers.depth(); ++layer) {
    values += static_cast<double>(layers.size(layer));
    Print("layer " + std::to_string(layer) + size, "opened values",
          static_cast<double>(layers.size(layer)));
  }
  Print("pairs multiplied" + size, "pairs", static_cast<double>(layers.pairs()));

  struct Packet {
    std::uint16_t from, to;
    proto::AttemptMessage message;
  };
  std::deque<Packet> packets;
  std::vector<std::unique_ptr<Attempt>> members;
  std::vector<Bundle> bundles;
  double bytes = 0;
  std::uint32_t fixed = 0;
  std::size_t passes = 0;
  std::vector<double> seconds(sizes.size() + 1);
  std::optional<proto::LayerCertificate> certificate;
  const auto carry = [&](std::uint16_t from, Attempt::Step step) {
    for (auto& [target, message] : step.messages) {
      for (std::uint16_t to = 0; to < n; ++to) {
        if (!target.Includes(proto::PartyId{to})) continue;
        if (to != from) bytes += static_cast<double>(proto::Encode(message).size());
        packets.push_back({from, to, message});
      }
    }
    for (auto& output : step.outputs) {
      std::visit(proto::Overloaded{
                     [&](PostCertificate& post) { certificate = std::move(post.certificate); },
                     [&](PostVerdict& post) { passes += post.pass ? 1 : 0; },
                     [&](LayerKnown&) {},
                     [](SendersKnown&) {},
                     [](Equivocation&) {},
                     [&](BundleReady& ready) { bundles.push_back(std::move(ready.bundle)); },
                 },
                 output);
    }
  };
  // Time spent by the members, without the copying of messages here.
  const auto timed = [&](std::uint16_t i, auto&& act) {
    const double start = Now();
    auto step = act(*members[i]);
    seconds[fixed] += Now() - start;
    carry(i, std::move(step));
  };
  for (std::uint16_t i = 0; i < n; ++i) {
    members.push_back(std::make_unique<Attempt>(committee.contexts[i], plan, proto::Digest{}, 1,
                                                std::vector<proto::Bytes>{}));
  }
  for (std::uint16_t i = 0; i < n; ++i) {
    timed(i, [](Attempt& member) { return member.Start(); });
  }
  while (!packets.empty() || certificate) {
    if (packets.empty()) {
      const auto event = *std::exchange(certificate, std::nullopt);
      ++fixed;
      for (std::uint16_t i = 0; i < n; ++i) {
        timed(i, [&](Attempt& member) { return member.OnLayerFixed(event.layer, event.root); });
      }
      continue;
    }
    Packet packet = std::move(packets.front());
    packets.pop_front();
    timed(packet.to, [&](Attempt& member) {
      return member.Handle(proto::PartyId{packet.from}, std::move(packet.message));
    });
  }
  if (passes != n || fixed != sizes.size()) {
    std::printf("the attempt failed: %zu verdicts, %u layers\n", passes, fixed);
    std::exit(1);
  }
  double bundle_seconds = 0;
  for (std::uint16_t i = 0; i < n; ++i) {
    const double start = Now();
    carry(i, members[i]->OnVerdict(true));
    bundle_seconds += Now() - start;
  }
  double product_seconds = 0, verify_seconds = 0;
  for (std::size_t layer = 0; layer < seconds.size(); ++layer) {
    (layer < layers.depth() ? product_seconds : verify_seconds) += seconds[layer];
    Print("computing for layer " + std::to_string(layer) + ", a member" + size, "CPU s",
          seconds[layer] / n);
  }
  const double start = Now();
  const proto::Bytes encoded = EncodeBundle(bundles.front());
  Print("encoding the bundle" + size, "CPU s", Now() - start);
  Print("bundle" + size, "bytes", static_cast<double>(encoded.size()));
  Print("product layers, a member" + size, "CPU s", product_seconds / n);
  Print("verification, a member" + size, "CPU s", verify_seconds / n);
  Print("making the bundle, a member" + size, "CPU s", bundle_seconds / n);
  const double total = product_seconds + verify_seconds + bundle_seconds;
  Print("whole attempt, a member" + size, "CPU s", total / n);
  Print("whole attempt, a member" + size, "opened values / CPU s", values * n / total);
  Print("sent, all members" + size, "bytes", bytes);
  Print("sent, all members" + size, "bytes an opened value", bytes / values);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  Print("largest memory, all members" + size, "bytes", static_cast<double>(usage.ru_maxrss) * 1024);
}

}  // namespace
}  // namespace mpc

int main(int argc, char** argv) {
  auto plan = std::make_shared<mpc::Plan>(mpc::TinyPlan(32));
  if (argc > 1) {
    std::ifstream file(argv[1], std::ios::binary);
    const proto::Bytes bytes{std::istreambuf_iterator<char>(file), {}};
    auto decoded = mpc::DecodePlan(bytes);
    if (!decoded) {
      std::printf("%s: %s\n", argv[1], decoded.error().message.c_str());
      return 1;
    }
    *plan = std::move(*decoded);
  }
  const int n = argc > 2 ? std::atoi(argv[2]) : 4;
  mpc::RunAttempt(mpc::Committee(static_cast<std::uint16_t>(n)), plan);
}
