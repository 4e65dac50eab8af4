#include "node/cli/demo.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "node/cli/ask.h"
#include "node/cli/commands.h"
#include "node/cli/localnet.h"
#include "node/cli/package.h"
#include "node/cli/process.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "node/rpc/client.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr char kFirstText[] =
    "a warm, funny and wonderfully acted film that i would gladly see again";
constexpr char kSecondText[] = "the plot is dull, the jokes fall flat and i wanted my money back";
constexpr double kLogitToleranceMax = 0.02;
constexpr std::uint32_t kDemoTokens = 32;
constexpr std::uint32_t kDemoBundles = 2;
constexpr std::chrono::seconds kPoolPatience{1200};
constexpr std::chrono::seconds kCatchUpPatience{120};

// The claims made, each checked.
class Claims {
 public:
  explicit Claims(Progress say) : say_(std::move(say)) {}

  void Check(const std::string& claim, bool holds) {
    list_.push_back({{"claim", claim}, {"holds", holds}});
    all_ &= holds;
    say_(std::string(holds ? "  [ok] " : "  [FAILED] ") + claim);
  }
  bool all() const { return all_; }
  const json& list() const { return list_; }

 private:
  Progress say_;
  json list_ = json::array();
  bool all_ = true;
};

class Demo {
 public:
  Demo(DemoOptions options, Progress say)
      : options_(std::move(options)), say_(std::move(say)), claims_(say_) {}
  ~Demo();

  Result<> Run();
  const json& report() const { return report_; }

 private:
  Result<> Begin();
  Result<> Serve();
  Result<> WaitForPool(std::size_t bundles);
  Result<Answer> AskAndCheck(const std::string& text, const char* key);
  Result<> CheckLedger(const Answer& answer);
  Result<> CheckProof(const Answer& answer);
  Result<> ReportCosts(const Answer& answer);
  Result<> LoseAndRegainOne();

  const DemoOptions options_;
  const Progress say_;
  Claims claims_;
  std::string directory_;
  bool temporary_ = false;
  std::optional<proto::Genesis> genesis_;
  std::optional<Client> client_;
  std::optional<LocalModel> model_;
  json report_ = json::object();
};

Demo::~Demo() {
  if (genesis_) {
    if (const auto stopped = StopNetwork(directory_, *genesis_); !stopped) {
      say_(stopped.error().message);
    }
  }
  if (temporary_) {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
}

Result<> Demo::Begin() {
  directory_ = options_.directory;
  if (directory_.empty()) {
    const char* base = std::getenv("TMPDIR");
    std::string name = std::string(base != nullptr ? base : "/tmp") + "/waxseal-demo-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
      return Fail(ErrorCode::kUnavailable, "cannot make a temporary directory like " + name);
    }
    directory_ = name;
    temporary_ = true;
  }
  NetworkOptions network;
  network.directory = directory_;
  network.base_port = FreeBasePort(network.base_port, network.validators);
  network.spec = options_.spec;
  say_("making keys and a genesis document for four validators in " + directory_);
  auto genesis = CreateNetwork(network);
  if (!genesis) return tl::unexpected(genesis.error());
  genesis_ = std::move(*genesis);
  if (auto started = StartNetwork(directory_, *genesis_, say_); !started) return started;
  auto key = ReadSecretKey(directory_ + "/client.key");
  if (!key) return tl::unexpected(key.error());
  client_.emplace(*genesis_, std::move(*key));
  return {};
}

Result<> Demo::Serve() {
  auto model = ReadModel(options_.model, "", "");
  if (!model) return tl::unexpected(model.error());
  model_ = std::move(*model);
  PackageOptions package_options;
  package_options.tokens = {kDemoTokens};
  package_options.pool_target = kDemoBundles;
  const auto package = MakePackage(*model_, genesis_->committee(), client_->key().public_key(),
                                   package_options, say_);
  if (!package) return tl::unexpected(package.error());
  const auto id = RegisterPackage(*client_, *package, "", say_);
  if (!id) return tl::unexpected(id.error());
  const Package::Cost& cost = package->costs.front();
  report_["model"] = {{"id", id->hex()},
                      {"name", package->manifest.name},
                      {"tokens", cost.tokens},
                      {"online_openings", cost.counted.openings},
                      {"online_rounds", cost.counted.rounds},
                      {"statistical_distance_log2", -cost.leakage_bits}};
  return WaitForPool(kDemoBundles);
}

Result<> Demo::WaitForPool(std::size_t bundles) {
  const auto start = steady_clock::now();
  std::string shown;
  const auto ready =
      client_->WaitFor("preprocessed bundles", kPoolPatience, [&]() -> Result<std::optional<json>> {
        auto pool = client_->Any("pool", json::object());
        if (!pool) return tl::unexpected(pool.error());
        if (pool->empty()) return std::nullopt;
        const json& entry = pool->front();
        std::string line = "preprocessing: " + std::to_string(entry.value("ready", 0)) + " of " +
                           std::to_string(bundles) + " bundles ready";
        for (const json& attempt : entry["started"]) {
          line += ", attempt " + std::to_string(attempt.value("attempt", 0)) + " at layer " +
                  std::to_string(attempt.value("layers_fixed", 0)) + " of " +
                  std::to_string(attempt.value("layers_needed", 0));
        }
        if (line != shown) say_(line);
        shown = line;
        if (entry.value("ready", std::size_t{0}) < bundles) return std::nullopt;
        return std::move(*pool);
      });
  if (!ready) return tl::unexpected(ready.error());
  report_["pool_wait_seconds"] = std::chrono::duration<double>(steady_clock::now() - start).count();
  return {};
}

Result<Answer> Demo::AskAndCheck(const std::string& text, const char* key) {
  say_("asking in private: \"" + text + "\"");
  auto answer = Ask(*client_, "", text, say_);
  if (!answer) return answer;
  const std::vector<std::uint32_t> ids(
      answer->tokens.begin(),
      answer->tokens.begin() + static_cast<std::ptrdiff_t>(answer->text_tokens));
  const std::vector<double> expected = model_->reference.Logits(ids);
  double difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::abs(expected[i] - answer->logits[i]));
  }
  const auto float_best =
      static_cast<std::size_t>(std::ranges::max_element(expected) - expected.begin());
  json entry = ToJson(*answer);
  entry["text"] = text;
  entry["float_logits"] = expected;
  entry["largest_logit_difference"] = difference;
  report_[key] = entry;
  for (std::size_t i = 0; i < answer->probabilities.size(); ++i) {
    char line[160];
    std::snprintf(line, sizeof line, "  %-10s %6.2f %%   logit %8.4f   float model %8.4f",
                  answer->labels[i].c_str(), 100 * answer->probabilities[i], answer->logits[i],
                  expected[i]);
    say_(line);
  }
  char line[160];
  std::snprintf(line, sizeof line,
                "the answer's logits are within %.2f of the float model's (%.5f)",
                kLogitToleranceMax, difference);
  claims_.Check(line, difference <= kLogitToleranceMax);
  claims_.Check("the label is the float model's: " + answer->labels[answer->best],
                answer->best == float_best);
  return answer;
}

// Where `needle` stands in the ledger's bytes.
bool Contains(const proto::Bytes& haystack, proto::ByteSpan needle) {
  return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) !=
         haystack.end();
}

Result<> Demo::CheckLedger(const Answer& answer) {
  const auto newest = client_->Any("block", json::object());
  if (!newest) return tl::unexpected(newest.error());
  proto::Bytes ledger;
  json transactions = json::array();
  const auto height_max = newest->value("height", std::uint64_t{0});
  say_("on the ledger of request " + std::to_string(answer.request) + ":");
  for (std::uint64_t height = 1; height <= height_max; ++height) {
    const auto block = client_->Any("block", {{"height", height}});
    if (!block) return tl::unexpected(block.error());
    for (const json& receipt : (*block)["transactions"]) {
      const auto found = client_->Any("transaction", {{"id", receipt.value("transaction", "")}});
      if (!found) return tl::unexpected(found.error());
      const auto bytes = proto::FromHex(found->value("hex", ""));
      if (!bytes) return tl::unexpected(bytes.error());
      ledger.insert(ledger.end(), bytes->begin(), bytes->end());
      const json payload = found->value("payload", json::object());
      if (payload.value("request", std::uint64_t{0}) != answer.request &&
          payload.value("kind", "") != "open_request") {
        continue;
      }
      say_("  block " + std::to_string(height) + ": " + payload.value("kind", "") + " by " +
           payload.value("sender_name", "the client") + ", " + std::to_string(bytes->size()) +
           " bytes");
      transactions.push_back(
          {{"height", height}, {"kind", payload.value("kind", "")}, {"bytes", bytes->size()}});
    }
  }
  report_["ledger"] = {{"height", height_max},
                       {"transaction_bytes", ledger.size()},
                       {"request_transactions", transactions}};

  // What would betray the input or the output, in the forms that they could stand there in.
  const std::string text = report_["answer"].value("text", "");
  bool betrayed = Contains(ledger, proto::AsBytes(text));
  proto::Bytes wide;
  proto::Bytes narrow;
  for (std::size_t i = 0; i < std::min<std::size_t>(answer.text_tokens, 6); ++i) {
    proto::PutU32(wide, answer.tokens[i]);
    narrow.push_back(static_cast<std::uint8_t>(answer.tokens[i]));
    narrow.push_back(static_cast<std::uint8_t>(answer.tokens[i] >> 8));
  }
  betrayed |= Contains(ledger, wide) || Contains(ledger, narrow);
  for (const double logit : answer.logits) {
    for (int frac = 12; frac <= 48; ++frac) {
      const auto value = static_cast<std::int64_t>(std::llround(std::ldexp(logit, frac)));
      std::array<std::uint8_t, 16> field{};
      mpc::Fp(value).ToBytes(field);
      betrayed |= Contains(ledger, field);
    }
  }
  std::size_t equal = 0;
  for (std::size_t i = 0; i < answer.tokens.size(); ++i) {
    equal += answer.tokens[i] == answer.masked_tokens[i] ? 1 : 0;
  }
  claims_.Check("neither the text, its tokens nor its logits stand in the ledger's " +
                    std::to_string(ledger.size()) + " bytes",
                !betrayed);
  // A one-time pad leaves a token unchanged with probability 1 / 4096: five of 32 never happen.
  claims_.Check("the submitted tokens are a one-time pad: " + std::to_string(equal) + " of " +
                    std::to_string(answer.tokens.size()) + " equal the real ones",
                equal < 5);
  return {};
}

Result<> Demo::CheckProof(const Answer& answer) {
  const json question = {{"id", answer.request}};
  auto result = client_->Any("request", {{"id", answer.request}, {"prove", true}});
  if (!result) return tl::unexpected(result.error());
  const auto holds = [&] {
    LightClient client(*genesis_);
    return VerifyAnswer(client, "request", question, *result).has_value();
  };
  claims_.Check("the result is proved under block " +
                    std::to_string(result->value("height", std::uint64_t{0})) +
                    ", signed by n-f validators, with the genesis document alone",
                holds());
  std::size_t parts = 0;
  bool all_refused = true;
  const std::function<void(json&)> tamper = [&](json& part) {
    if (part.is_structured()) {
      for (json& inner : part) tamper(inner);
    } else if (part.is_string() && !part.get_ref<std::string&>().empty()) {
      std::string& hex = part.get_ref<std::string&>();
      char& digit = hex[hex.size() / 2];
      const char good = digit;
      digit = good == '0' ? '1' : '0';
      all_refused &= !holds();
      digit = good;
      ++parts;
    }
  };
  tamper((*result)["proof"]);
  claims_.Check("the proof is refused when one digit of any of its " + std::to_string(parts) +
                    " parts is changed",
                parts > 10 && all_refused);
  return {};
}

Result<> Demo::ReportCosts(const Answer& answer) {
  const auto attempt = answer.record.value("attempt", std::uint64_t{0});
  const auto sum = [&](const char* method, std::uint64_t id) {
    json total = {{"seconds", 0.0}, {"bytes", std::uint64_t{0}}, {"rounds", 0}};
    for (std::size_t v = 0; v < client_->validators(); ++v) {
      const auto record = client_->At(v, method, {{"id", id}});
      if (!record || !record->contains("effort")) continue;
      const json& effort = (*record)["effort"];
      total["seconds"] = std::max(total.value("seconds", 0.0), effort.value("seconds", 0.0));
      total["bytes"] =
          total.value("bytes", std::uint64_t{0}) + effort.value("bytes_sent", std::uint64_t{0});
      total["rounds"] = std::max(total.value("rounds", 0), effort.value("rounds", 0));
    }
    return total;
  };
  const json preprocessing = sum("attempt", attempt);
  const json online = sum("request", answer.request);
  report_["preprocessing"] = preprocessing;
  report_["online"] = online;
  char line[200];
  std::snprintf(line, sizeof line,
                "preprocessing of the bundle: %.2f s, %d certified layers, %.1f MB of all members",
                preprocessing.value("seconds", 0.0), preprocessing.value("rounds", 0),
                static_cast<double>(preprocessing.value("bytes", std::uint64_t{0})) / 1e6);
  say_(line);
  std::snprintf(line, sizeof line,
                "online: %.2f s, %d rounds, %.1f MB of all members; %.2f s from submission to "
                "proved result",
                online.value("seconds", 0.0), online.value("rounds", 0),
                static_cast<double>(online.value("bytes", std::uint64_t{0})) / 1e6, answer.seconds);
  say_(line);
  claims_.Check("every cost above was measured",
                online.value("seconds", 0.0) > 0 && preprocessing.value("seconds", 0.0) > 0 &&
                    online.value("bytes", std::uint64_t{0}) > 0 &&
                    preprocessing.value("bytes", std::uint64_t{0}) > 0);
  return {};
}

Result<> Demo::LoseAndRegainOne() {
  const std::size_t lost = client_->validators() - 1;
  const std::string name = genesis_->validators[lost].name;
  say_("killing " + name + " with SIGKILL");
  if (auto killed = KillValidator(HomeOf(directory_, lost)); !killed) return killed;
  const auto answer = AskAndCheck(kSecondText, "answer_without_one");
  if (!answer) return tl::unexpected(answer.error());
  claims_.Check("the question was answered while " + name + " was dead", true);

  const auto target = client_->Any("status", json::object());
  if (!target) return tl::unexpected(target.error());
  const auto height = target->value("height", std::uint64_t{0});
  say_("restarting " + name + "; it has to reach block " + std::to_string(height));
  if (auto started = StartOne(directory_, *genesis_, lost); !started) return started;
  const auto start = steady_clock::now();
  const auto caught_up = client_->WaitFor(
      name + " to catch up", kCatchUpPatience, [&]() -> Result<std::optional<json>> {
        auto block = client_->At(lost, "block", {{"height", height}});
        if (block) return std::move(*block);
        if (block.error().code == ErrorCode::kNotFound) return std::nullopt;
        return tl::unexpected(block.error());
      });
  if (!caught_up) return tl::unexpected(caught_up.error());
  report_["catch_up_seconds"] = std::chrono::duration<double>(steady_clock::now() - start).count();
  const auto here = client_->At(lost, "block", {{"height", height}});
  const auto there = client_->At(0, "block", {{"height", height}});
  if (!here) return tl::unexpected(here.error());
  if (!there) return tl::unexpected(there.error());
  claims_.Check(name + " caught up: its block " + std::to_string(height) + " is the others'",
                here->value("digest", "a") == there->value("digest", "b"));
  const auto record = client_->At(lost, "request", {{"id", answer->request}});
  claims_.Check(name + " knows the result it was not there for",
                record && record->value("status", "") == "completed");
  return {};
}

Result<> Demo::Run() {
  const auto run = [&]() -> Result<> {
    if (auto done = Begin(); !done) return done;
    if (auto done = Serve(); !done) return done;
    const auto answer = AskAndCheck(options_.text.empty() ? kFirstText : options_.text, "answer");
    if (!answer) return tl::unexpected(answer.error());
    if (auto done = ReportCosts(*answer); !done) return done;
    if (auto done = CheckLedger(*answer); !done) return done;
    if (auto done = CheckProof(*answer); !done) return done;
    return LoseAndRegainOne();
  };
  const Result<> done = run();
  report_["claims"] = claims_.list();
  report_["passed"] = done && claims_.all();
  if (!done) {
    report_["error"] = done.error().message;
    return done;
  }
  if (!claims_.all()) return Fail(ErrorCode::kCorrupt, "a claim did not hold");
  say_("every claim holds");
  return {};
}

}  // namespace

Result<> RunDemo(const DemoOptions& options) {
  const Progress say = options.as_json
                           ? Progress([](const std::string& line) { SayProgress(line); })
                           : Progress([](const std::string& line) {
                               std::printf("%s\n", line.c_str());
                               std::fflush(stdout);
                             });
  Demo demo(options, say);
  const Result<> done = demo.Run();
  if (options.as_json) PrintJson(demo.report());
  return done;
}

void AddDemoCommand(CLI::App& app, Command& run) {
  const auto options = std::make_shared<DemoOptions>();
  options->model = ShippedPath("tests/models/sentiment");
  options->spec = ShippedPath("chain-spec/devnet.json");
  CLI::App* demo = app.add_subcommand(
      "demo", "Four validators, a private question, the answer and its proof, a validator killed");
  demo->add_option("SENTENCE", options->text, "The question; else the demo's own");
  demo->add_option("--model", options->model, "Hugging Face directory")->capture_default_str();
  demo->add_option("--dir", options->directory,
                   "Where to keep the network; else a temporary place");
  demo->add_flag("--json", options->as_json, "Print one JSON object");
  demo->callback([&run, options] { run = [options] { return RunDemo(*options); }; });
}

}  // namespace node
