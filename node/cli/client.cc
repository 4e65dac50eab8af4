#include "node/cli/client.h"

#include <optional>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "node/rpc/client.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::chrono::milliseconds kPoll{50};
constexpr std::chrono::seconds kExecutionPatience{60};
constexpr int kNonceTriesMax = 20;

// Held while a transaction of the account is under way; released also when the process dies.
class Turn {
 public:
  explicit Turn(const std::string& path) {
    if (path.empty()) return;
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    // Without a lock file the nonces alone keep order.
    if (file_ >= 0) ::flock(file_, LOCK_EX);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  int file_ = -1;
};

}  // namespace

Result<std::vector<proto::EpochLink>> FollowLinks(LightClient& client,
                                                  const std::string& rpc_address) {
  std::vector<proto::EpochLink> followed;
  for (;;) {
    const std::uint64_t known = client.epoch().number;
    const auto links = Call(rpc_address, "epoch_links", {{"from", known}});
    if (!links) return tl::unexpected(links.error());
    if (!links->is_array()) return Fail(ErrorCode::kDenied, "the links are no list");
    for (const json& entry : *links) {
      const auto bytes = entry.is_string() ? proto::FromHex(entry.get<std::string>())
                                           : Fail(ErrorCode::kDenied, "a link is no text");
      if (!bytes) return tl::unexpected(bytes.error());
      auto link = proto::DecodeLink(*bytes);
      if (!link) return tl::unexpected(link.error());
      if (auto valid = client.Follow(*link); !valid) return tl::unexpected(valid.error());
      followed.push_back(*std::move(link));
    }
    if (client.epoch().number == known) return followed;
  }
}

Client::Client(proto::Genesis genesis, proto::SecretKey key, std::string lock)
    : genesis_(std::move(genesis)),
      chain_(proto::ChainId(genesis_)),
      key_(std::move(key)),
      lock_(std::move(lock)),
      epochs_(genesis_) {}

void Client::Refresh() const {
  for (std::size_t i = 0; i < validators();) {
    const std::uint64_t known = epochs_.epoch().number;
    (void)FollowLinks(epochs_, epochs_.epoch().validators[i].rpc_address);
    // In a later epoch there are other validators to ask.
    i = epochs_.epoch().number == known ? i + 1 : 0;
  }
}

Result<proto::EpochRecord> Client::Epoch(std::uint64_t number) const {
  if (epochs_.epoch(number) == nullptr) Refresh();
  if (const auto* epoch = epochs_.epoch(number)) return *epoch;
  return Fail(ErrorCode::kUnavailable, "no validator proves epoch " + std::to_string(number));
}

Result<json> Client::At(std::size_t validator, const std::string& method,
                        const json& params) const {
  return Call(epochs_.epoch().validators[validator].rpc_address, method, params);
}

Result<json> Client::Any(const std::string& method, const json& params) const {
  std::string last = "there are no validators";
  for (std::size_t i = 0; i < validators(); ++i) {
    auto answer = At(i, method, params);
    if (answer) return answer;
    if (answer.error().code == ErrorCode::kInvalidArgument ||
        answer.error().code == ErrorCode::kDenied) {
      return answer;
    }
    last = answer.error().message;
    if (answer.error().code == ErrorCode::kNotFound && i + 1 == validators()) return answer;
  }
  return Fail(ErrorCode::kUnavailable,
              "no validator gives an answer (" + last + "); is the network up?");
}

Result<CheckedAnswer> Client::Proved(const std::string& method, const json& params) const {
  json asked = params;
  asked["prove"] = true;
  std::optional<proto::Error> last;
  for (std::size_t i = 0; i < validators(); ++i) {
    const auto given = At(i, method, asked);
    if (given) {
      auto checked = VerifyAnswer(epochs_, method, params, *given);
      if (checked) return checked;
      last =
          proto::Error{ErrorCode::kDenied, epoch().validators[i].name + " gave a proof that does " +
                                               "not hold: " + checked.error().message};
      continue;
    }
    if (given.error().code == ErrorCode::kInvalidArgument) return tl::unexpected(given.error());
    if (!last || last->code != ErrorCode::kDenied) last = given.error();
  }
  if (last) return tl::unexpected(*last);
  return Fail(ErrorCode::kUnavailable, "there are no validators");
}

Result<std::string> Client::Submit(const proto::Bytes& transaction) const {
  const json params = {{"hex", proto::ToHex(transaction)}};
  std::size_t taken = 0;
  std::optional<std::string> id;
  std::optional<proto::Error> refusal;
  for (std::size_t i = 0; i < validators() && taken < epoch().committee().validity(); ++i) {
    const auto answer = At(i, "submit_transaction", params);
    if (answer) {
      ++taken;
      id = answer->value("id", "");
    } else if (!refusal || refusal->code == ErrorCode::kUnavailable) {
      refusal = answer.error();
    }
  }
  if (id) return *id;
  return tl::unexpected(*refusal);
}

Result<json> Client::Execute(proto::Payload payload) const {
  const Turn turn(lock_);
  Refresh();
  // Another process may use the same account: who comes second takes the next nonce.
  for (int tries = 1;; ++tries) {
    auto executed = ExecuteOnce(payload);
    if (!executed) return executed;
    const json& receipt = (*executed)["receipt"];
    const std::string code = receipt.value("code", "");
    if (code == "done") return executed;
    if (code != "bad_nonce" || tries == kNonceTriesMax) {
      return Fail(ErrorCode::kInvalidArgument,
                  receipt.value("message", "the transaction was refused: " + code));
    }
    std::this_thread::sleep_for(tries * kPoll);
  }
}

// {receipt} of the transaction, whatever it says; bad_nonce also when no validator admits it for
// that.
Result<json> Client::ExecuteOnce(const proto::Payload& payload) const {
  const auto account = Any("account", {{"key", key_.public_key().hex()}});
  if (!account) return account;
  proto::Transaction transaction;
  transaction.chain = chain_;
  transaction.sender = key_.public_key();
  transaction.nonce = account->value("nonce", std::uint64_t{0});
  transaction.payload = payload;
  const auto id = Submit(proto::SignTransaction(key_, std::move(transaction)));
  if (!id) {
    if (id.error().message.find("nonce") == std::string::npos) return tl::unexpected(id.error());
    return json{{"receipt", {{"code", "bad_nonce"}, {"message", id.error().message}}}};
  }
  return WaitFor("the transaction " + *id, kExecutionPatience,
                 [&]() -> Result<std::optional<json>> {
                   auto answer = Any("transaction", {{"id", *id}});
                   if (!answer) return tl::unexpected(answer.error());
                   if (answer->value("status", "") != "executed") return std::nullopt;
                   return std::move(*answer);
                 });
}

std::string Client::WhyNotReady() const {
  const auto status = Any("status", json::object());
  if (!status) return status.error().message;
  const std::string why = status->value("why_not_ready", "");
  return why.empty() ? why : status->value("validator", "a validator") + " says: " + why;
}

Result<json> Client::WaitFor(const std::string& what, std::chrono::seconds patience,
                             const std::function<Result<std::optional<json>>()>& ready) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto value = ready();
    if (!value && value.error().code != ErrorCode::kUnavailable) {
      return tl::unexpected(value.error());
    }
    if (value && *value) return std::move(**value);
    if (std::chrono::steady_clock::now() >= deadline) {
      const std::string why = value ? WhyNotReady() : value.error().message;
      return Fail(ErrorCode::kUnavailable, "waited " + std::to_string(patience.count()) +
                                               " s in vain for " + what +
                                               (why.empty() ? "" : " (" + why + ")"));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace node
