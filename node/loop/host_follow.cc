// The host's follower thread: blocks from members, transactions to them, the network of the epoch.

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "node/loop/host.h"
#include "node/rpc/client.h"

namespace node {

using proto::ErrorCode;
using proto::Result;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// The follower's: between questions while it is up to date, and for one answer.
constexpr milliseconds kFollowPause{500};
constexpr milliseconds kFollowPatience{10'000};
constexpr std::size_t kLinksMax = 1000;
// Without a new block for so long, it asks whether there are any.
constexpr std::chrono::seconds kStallPatience{5};

TlsIdentity TlsOf(const KeyFile& keys) {
  return {keys.tls_certificate_pem, keys.tls_key_pem};
}

}  // namespace

void Host::FollowLoop() {
  std::uint64_t height = 0;
  auto changed = steady_clock::now();
  bool more = false;
  while (!stopping_) {
    if (!more) {
      std::unique_lock lock(mutex_);
      follow_wakes_.wait_for(lock, kFollowPause);
    }
    if (stopping_) return;
    UpdatePeers();
    ForwardAll();
    AskAll();
    const std::uint64_t now_at = latest().header().height;
    if (now_at != height) changed = steady_clock::now();
    height = now_at;
    more = false;
    const auto download = sync_status().download;
    const bool is_fetching = download && download->why_not.empty();  // Blocks would be slower.
    if (!is_fetching && (follows_ || steady_clock::now() - changed > kStallPatience)) {
      more = FetchPage();
    }
  }
}

// Members of the present epoch and of the one before; the machine may still be in that one.
void Host::UpdatePeers() {
  const Snapshot snapshot = latest();
  std::vector<proto::ValidatorSpec> validators = snapshot.epoch()->record.validators;
  const std::uint64_t number = snapshot.epoch()->record.number;
  if (number > proto::kFirstEpoch) {
    proto::EpochRecord before = *snapshot.epoch(number - 1);
    for (proto::ValidatorSpec& validator : before.validators) {
      const bool is_there = std::ranges::any_of(validators, [&](const proto::ValidatorSpec& other) {
        return other.key == validator.key || other.certificate == validator.certificate;
      });
      if (!is_there) validators.push_back(std::move(validator));
    }
    std::ranges::sort(validators, {}, &proto::ValidatorSpec::key);
  }
  const bool has_next = next_ && std::ranges::count(validators, next_->tls_certificate_pem,
                                                    &proto::ValidatorSpec::certificate) > 0;
  if (auto connected = peers_->Become(TlsOf(has_next ? *next_ : keys_), validators); !connected) {
    if (follow_thread_.joinable()) {
      spdlog::warn("{}", connected.error().message);
    } else {
      Fail(connected.error().message);
    }
  }
}

// Whether there may be more.
bool Host::FetchPage() {
  const Snapshot snapshot = latest();
  const auto& servers = snapshot.epoch()->record.validators;
  const proto::ValidatorSpec& server = servers[next_server_++ % servers.size()];
  if (server.key == key()) return false;
  const auto answer = node::Call(
      server.rpc_address, "block_page",
      {{"height", wanted_height_.load()}, {"epoch", followed_epoch_.load()}}, kFollowPatience);
  if (!answer || !answer->is_object()) return false;
  const auto hex = answer->find("page");
  if (hex == answer->end() || !hex->is_string()) return false;
  const auto bytes = proto::FromHex(hex->get_ref<const std::string&>());
  auto page = bytes ? DecodePage(*bytes) : tl::unexpected(bytes.error());
  if (!page) {
    spdlog::debug("{} gave no page: {}", server.name, page.error().message);
    return false;
  }
  if (!page->link.empty() && follows_) FetchLinks(server);
  auto promise = std::make_shared<std::promise<Result<>>>();
  auto done = promise->get_future();
  ledger_queue_.Push(Followed{std::move(*page), std::move(promise)});
  while (done.wait_for(milliseconds(100)) != std::future_status::ready) {
    if (stopping_) return false;
  }
  const auto followed = done.get();
  if (!followed) spdlog::warn("{} gave wrong blocks: {}", server.name, followed.error().message);
  const std::lock_guard lock(mutex_);
  return latest_->header().height > snapshot.header().height;
}

// This node's epoch is over: how far are the others?
void Host::FetchLinks(const proto::ValidatorSpec& server) {
  FollowedLinks followed;
  std::uint64_t from = followed_epoch_;
  std::size_t known = 0;
  do {
    known = followed.links.size();
    const auto answer =
        node::Call(server.rpc_address, "epoch_links", {{"from", from}}, kFollowPatience);
    if (!answer || !answer->is_array()) break;
    for (const auto& entry : *answer) {
      const auto bytes = entry.is_string() ? proto::FromHex(entry.get_ref<const std::string&>())
                                           : proto::Fail(ErrorCode::kCorrupt, "a link is no text");
      auto link = bytes ? proto::DecodeLink(*bytes) : tl::unexpected(bytes.error());
      if (!link) return spdlog::warn("{} gave no link: {}", server.name, link.error().message);
      from = std::max(from, link->next.number);
      followed.links.push_back(std::move(*link));
      if (followed.links.size() > kLinksMax) return;
    }
  } while (followed.links.size() > known && !stopping_);
  if (followed.links.size() > 1) ledger_queue_.Push(std::move(followed));
}

// What the machine wants to know of validators that it has no links to.
void Host::AskAll() {
  std::vector<LedgerMachine::Question> questions;
  {
    const std::lock_guard lock(mutex_);
    questions = std::exchange(questions_, {});
  }
  for (const auto& [to, message] : questions) {
    if (stopping_) return;
    const auto answer =
        node::Call(to.rpc_address, "sync",
                   {{"message", proto::ToHex(proto::sync::Encode(message))}}, kFollowPatience);
    if (!answer || !answer->is_object()) continue;
    const auto hex = answer->find("message");
    if (hex == answer->end() || !hex->is_string()) continue;
    const auto bytes = proto::FromHex(hex->get_ref<const std::string&>());
    auto decoded = bytes ? proto::sync::DecodeMessage(*bytes) : tl::unexpected(bytes.error());
    // Whoever answers here is not known to be that validator: what proves itself, and no more.
    if (decoded && (std::holds_alternative<proto::sync::SnapshotOffer>(*decoded) ||
                    std::holds_alternative<proto::sync::ChunkAnswer>(*decoded))) {
      ledger_queue_.Push(SyncFromPeer{to.key, 0, std::move(*decoded)});
    }
  }
}

// To f + 1 members each: one of them is honest.
void Host::ForwardAll() {
  std::vector<proto::Bytes> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = std::exchange(forwards_, {});
    forwards_bytes_ = 0;
  }
  if (waiting.empty()) return;
  const Snapshot snapshot = latest();
  const auto& servers = snapshot.epoch()->record.validators;
  std::vector<proto::Bytes> left;
  for (proto::Bytes& transaction : waiting) {
    std::size_t taken = 0;
    bool refused = false;
    for (std::size_t i = 0; i < servers.size() && !stopping_; ++i) {
      const auto& server = servers[(next_server_ + i) % servers.size()];
      if (server.key == key() || taken >= snapshot.epoch()->validators.committee.validity()) {
        continue;
      }
      const auto answer = node::Call(server.rpc_address, "submit_transaction",
                                     {{"hex", proto::ToHex(transaction)}}, kFollowPatience);
      taken += answer ? 1 : 0;
      refused = refused || (!answer && answer.error().code != ErrorCode::kUnavailable);
    }
    if (taken == 0 && !refused) left.push_back(std::move(transaction));
  }
  const std::lock_guard lock(mutex_);
  KeepToForward(std::move(left));
}

void Host::KeepToForward(std::vector<proto::Bytes> transactions) {
  for (proto::Bytes& transaction : transactions) {
    if (forwards_.size() == kForwardsMax ||
        forwards_bytes_ + transaction.size() > kForwardsBytesMax) {
      break;
    }
    forwards_bytes_ += transaction.size();
    forwards_.push_back(std::move(transaction));
  }
  forwards_full_ = forwards_.size() >= kForwardsMax / 2 || forwards_bytes_ >= kForwardsBytesMax / 2;
}

}  // namespace node
