#include "node/loop/host.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <spdlog/spdlog.h>

#include "node/ledger/epochs.h"
#include "node/loop/files.h"
#include "node/rpc/methods.h"
#include "node/rpc/server.h"
#include "node/store/file_store.h"
#include "node/store/shared_files.h"
#include "node/store/store.h"
#include "proto/base/overloaded.h"

namespace node {

using proto::ErrorCode;
using proto::PartyId;
using proto::Result;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kLedgerQueueBytesMax = std::size_t{64} << 20;
constexpr std::size_t kServiceQueueBytesMax = std::size_t{1} << 30;
constexpr milliseconds kSyncBeat{250};
constexpr std::chrono::seconds kAnswerPatience{30};
// Without a new block, of which idle validators make several a second: something is wrong.
constexpr std::chrono::seconds kStandstill{30};
// A message's memory beside its bytes.
constexpr std::size_t kItemOverhead = 256;

}  // namespace

std::uint64_t Host::NowUs() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now().time_since_epoch())
          .count());
}

std::shared_ptr<const proto::Bytes> Host::Frame(std::uint64_t epoch, const proto::Bytes& message) {
  proto::Bytes frame;
  frame.reserve(sizeof epoch + message.size());
  proto::PutU64(frame, epoch);
  frame.insert(frame.end(), message.begin(), message.end());
  return std::make_shared<const proto::Bytes>(std::move(frame));
}

Result<Host::Identity> Host::ReadIdentity(const Config& config) {
  const auto text = ReadFile(config.Path(config.genesis), proto::kGenesisBytesMax);
  if (!text) return tl::unexpected(text.error());
  auto genesis = proto::ParseGenesis(proto::AsText(*text));
  if (!genesis) {
    return proto::Fail(genesis.error().code,
                       config.Path(config.genesis) + ": " + genesis.error().message);
  }
  auto keys = ReadKeyFile(config.Path(config.keys));
  if (!keys) return tl::unexpected(keys.error());
  Identity identity{config, std::move(*genesis), std::move(*keys), std::nullopt};
  if (FileExists(config.Path(config.next_keys))) {
    auto next = ReadKeyFile(config.Path(config.next_keys));
    if (!next) return tl::unexpected(next.error());
    identity.next = std::move(*next);
  }
  return identity;
}

Result<std::unique_ptr<Host>> Host::Open(const Config& config) {
  return OpenAs<Host>(config);
}

Host::Host(Identity identity)
    : config_(std::move(identity.config)),
      genesis_(std::move(identity.genesis)),
      chain_(proto::ChainId(genesis_)),
      keys_(std::move(identity.keys)),
      next_(std::move(identity.next)),
      ledger_queue_(kLedgerQueueBytesMax),
      service_queue_(kServiceQueueBytesMax) {}

Result<> Host::OpenStores() {
  LockInMemory(keys_);
  const std::string data = config_.Path(config_.data);
  if (auto made = MakeDirectories(data); !made) return made;
  auto store = Store::Open(data + "/db", config_.fsync);
  if (!store) return tl::unexpected(store.error());
  store_ = std::move(*store);
  auto bundles = FileStore::Open(data + "/files");
  if (!bundles) return tl::unexpected(bundles.error());
  auto files = SharedFiles::Open(config_.Path(config_.models), std::move(*bundles));
  if (!files) return tl::unexpected(files.error());
  files_ = std::move(*files);
  ValidatorKeys keys;
  keys.keys.push_back(keys_.validator.Clone());
  if (next_) keys.keys.push_back(next_->validator.Clone());
  if (keys_.coin) keys.first_coin = keys_.coin->Clone();
  const proto::Bytes entropy = node::Entropy(sizeof(std::uint64_t));
  MachineOptions options{config_.retain_rounds, 0};
  for (const std::uint8_t byte : entropy) options.nonce = options.nonce << 8 | byte;
  auto machine = LedgerMachine::Open(genesis_, std::move(keys), *store_, options);
  if (!machine) return tl::unexpected(machine.error());
  machine_ = std::move(*machine);
  latest_ = machine_->latest();
  proven_ = machine_->proven();
  sync_status_ = machine_->sync_status();
  follows_ = machine_->follows();
  wanted_height_ = machine_->wanted_height();
  followed_epoch_ = machine_->epoch()->record.number;
  rpc_address_ = config_.rpc_listen;
  const auto own = latest_->validator(key());
  if (rpc_address_.empty() && own) rpc_address_ = own->card.rpc_address;
  if (rpc_address_.empty()) {
    return proto::Fail(ErrorCode::kInvalidArgument,
                       config_.home + "/node.toml must say rpc_listen: the key in " +
                           config_.Path(config_.keys) + " is no validator's yet");
  }
  return {};
}

Host::~Host() {
  Stop();
}

Result<> Host::Start() {
  Network::Prepare();
  peers_ = std::make_unique<Peers>(
      config_.peer_listen,
      Peers::Callbacks{[this](const proto::PublicKey& from, Channel channel, proto::Bytes& bytes) {
                         if (!delay_line_) return OnMessage(from, channel, bytes);
                         delay_line_->Push([this, from, channel, bytes = std::move(bytes)] {
                           while (!OnMessage(from, channel, bytes)) {
                             std::this_thread::sleep_for(kOfferAgainMs);
                           }
                         });
                         return true;
                       },
                       [this](const proto::PublicKey& peer, Channel channel) {
                         if (channel == Channel::kControl) {
                           ledger_queue_.Push(Connected{peer});
                         } else {
                           service_queue_.Push(Connected{peer});
                         }
                       }});
  rpc_ = std::make_unique<RpcServer>(rpc_address_, MakeHandlers(*this));
  if (config_.link_delay_ms > 0) {
    delay_line_ = std::make_unique<DelayLine>(milliseconds(config_.link_delay_ms));
  }
  checkers_ = std::make_unique<Checkers>(
      [this](proto::Bytes bytes) { return machine_->Check(std::move(bytes)); },
      [this](std::vector<proto::CheckedTransaction> transactions) {
        ledger_queue_.Push(Checked{std::move(transactions)});
      });
  if (auto started = rpc_->Start(); !started) return started;
  UpdatePeers();
  if (const std::string reason = failure(); !reason.empty()) {
    return proto::Fail(ErrorCode::kUnavailable, reason);
  }
  ledger_thread_ = std::thread([this] { LedgerLoop(); });
  service_thread_ = std::thread([this] { ServiceLoop(); });
  follow_thread_ = std::thread([this] { FollowLoop(); });
  return {};
}

void Host::Stop() {
  stopping_ = true;
  ledger_queue_.Close();
  service_queue_.Close();
  follow_wakes_.notify_all();
  if (rpc_) rpc_->Stop();
  if (follow_thread_.joinable()) follow_thread_.join();
  if (peers_) peers_->Stop();
  if (delay_line_) delay_line_->Stop();
  if (checkers_) checkers_->Stop();
  if (ledger_thread_.joinable()) ledger_thread_.join();
  if (service_thread_.joinable()) service_thread_.join();
}

bool Host::OnMessage(const proto::PublicKey& from, Channel channel, const proto::Bytes& bytes) {
  const bool has_room =
      channel == Channel::kControl ? ledger_queue_.has_room() : service_queue_.has_room();
  if (!has_room) return false;
  const std::size_t size = bytes.size() + kItemOverhead;
  const auto refuse = [&](const std::string& why) {
    // Said at the 1st, 2nd, 4th, ... time: a peer must not fill the disk with our log.
    if (!std::has_single_bit(++undecodable_)) return true;
    spdlog::warn("{} sent a message that does not decode: {}", from.hex().substr(0, 8), why);
    return true;
  };
  if (bytes.size() < sizeof(std::uint64_t)) return refuse("it is too short");
  const std::uint64_t epoch = proto::GetU64(bytes);
  const auto content = proto::ByteSpan(bytes).subspan(sizeof epoch);
  if (channel == Channel::kControl && proto::sync::IsSync(content)) {
    auto message = proto::sync::DecodeMessage(content);
    if (!message) return refuse(message.error().message);
    ledger_queue_.Push(SyncFromPeer{from, epoch, std::move(*message)}, size);
  } else if (channel == Channel::kControl) {
    auto message = proto::dag::DecodeMessage(content);
    if (!message) return refuse(message.error().message);
    // Where transactions carry no signature, there is nothing to be gained.
    if (const auto* batch = std::get_if<proto::dag::Batch>(&*message)) {
      checkers_->Add(batch->transactions);
    }
    ledger_queue_.Push(FromPeer{from, epoch, std::move(*message)}, size);
  } else {
    auto message = DecodeInferenceMessage(content);
    if (!message) return refuse(message.error().message);
    service_queue_.Push(Bulk{from, epoch, std::move(*message), size}, size);
  }
  return true;
}

// ---- the ledger's thread -----------------------------------------------------------------------

void Host::LedgerLoop() {
  machine_->Start();
  Dispatch(machine_->Flush());
  auto last_tick = steady_clock::now();
  auto last_beat = last_tick - kSyncBeat;
  while (!stopping_) {
    const auto delay =
        milliseconds(machine_->has_pending() ? config_.header_delay_ms : config_.idle_delay_ms);
    std::vector<std::pair<std::shared_ptr<std::promise<Result<Answers>>>, Answers>> answers;
    for (LedgerItem& item : ledger_queue_.Take(last_tick + delay)) {
      std::visit(
          proto::Overloaded{
              [&](FromPeer& m) { machine_->Handle(m.from, m.epoch, std::move(m.message)); },
              [&](SyncFromPeer& m) { machine_->Handle(m.from, m.epoch, std::move(m.message)); },
              [&](Connected& c) { machine_->PeerConnected(c.peer); },
              [&](Submission& s) {
                auto ids = machine_->SubmitAll(std::move(s.transactions));
                if (s.answer) {
                  answers.emplace_back(std::move(s.answer), std::move(ids));
                  return;
                }
                for (const auto& id : ids) {
                  if (id) continue;
                  spdlog::warn("own transaction not taken: {}", id.error().message);
                }
              },
              [&](Checked& c) { machine_->AddChecked(std::move(c.transactions)); },
              [&](Followed& f) { f.answer->set_value(machine_->Follow(f.page)); },
              [&](FollowedLinks& f) {
                if (auto followed = machine_->FollowLinks(f.links); !followed) {
                  spdlog::warn("wrong links: {}", followed.error().message);
                }
              },
              [&](Asked& a) { a.answer->set_value(machine_->Answer(a.question)); },
          },
          item);
    }
    if (steady_clock::now() >= last_tick + delay) {
      last_tick = steady_clock::now();
      machine_->Tick();
    }
    if (steady_clock::now() >= last_beat + kSyncBeat) {
      last_beat = steady_clock::now();
      machine_->Beat(NowUs() / 1000);
    }
    LedgerMachine::Step step = machine_->Flush();
    const bool failed = step.halt.has_value();
    Dispatch(std::move(step));
    // Only now is what was accepted durable.
    for (auto& [answer, results] : answers) {
      if (failed) {
        answer->set_value(proto::Fail(ErrorCode::kUnavailable, "the validator is stopping"));
      } else {
        answer->set_value(std::move(results));
      }
    }
    if (failed) return;
  }
}

void Host::Dispatch(LedgerMachine::Step step) {
  for (const std::string& note : step.notes) spdlog::info("{}", note);
  for (const auto& [who, kind] : step.faults) {
    spdlog::debug("{} misbehaves: kind {}", who.hex().substr(0, 8), static_cast<int>(kind));
  }
  if (step.halt) return Fail(*step.halt);
  for (auto& [epoch, target, message] : step.messages) {
    std::shared_ptr<const proto::Bytes> bytes;
    for (std::uint16_t i = 0; i < epoch->validators.committee.size(); ++i) {
      const proto::PublicKey& to = epoch->validators.keys[i];
      if (!target.Includes(static_cast<PartyId>(i))) continue;
      if (to == keys_.validator.public_key() || (next_ && to == next_->validator.public_key())) {
        continue;
      }
      if (!bytes) bytes = Frame(epoch->record.number, proto::dag::Encode(message));
      peers_->Send(to, Channel::kControl, bytes);
      ++messages_sent_;
    }
  }
  for (const auto& [epoch, to, message] : step.sync_messages) {
    peers_->Send(to, Channel::kControl, Frame(epoch, proto::sync::Encode(message)));
  }
  follows_ = machine_->follows();
  wanted_height_ = machine_->wanted_height();
  const bool is_new = followed_epoch_.exchange(machine_->epoch()->record.number) !=
                      machine_->epoch()->record.number;
  const bool forwards = !step.forwards.empty();
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t height = latest_->header().height;
    latest_ = machine_->latest();
    if (latest_->header().height != height) newest_block_ = steady_clock::now();
    proven_ = machine_->proven();
    const consensus::Status status = machine_->status();
    counters_ = {.rounds = status.own_round,
                 .commits = status.commit_index,
                 .transactions = machine_->executed_transactions(),
                 .checks_saved = machine_->checked().hits(),
                 .signature_checks = status.signature_checks,
                 .share_checks = status.share_checks,
                 .messages_sent = messages_sent_};
    sync_status_ = machine_->sync_status();
    KeepToForward(std::move(step.forwards));
    for (auto& question : step.questions) {
      if (questions_.size() < kQuestionsMax) questions_.push_back(std::move(question));
    }
  }
  rpc_->Notify();
  if (is_new || follows_ || forwards || !step.questions.empty()) {
    follow_wakes_.notify_all();
  }
  if (step.rebased) service_queue_.Push(Rebased{machine_->latest()});
  if (!step.events.empty()) {
    service_queue_.Push(Decided{machine_->latest(), std::move(step.events)});
  }
}

void Host::Fail(const std::string& reason) {
  spdlog::error("stopping: {}", reason);
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = reason;
}

std::string Host::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

// ---- what the interface asks --------------------------------------------------------------------

proto::PublicKey Host::key() const {
  const Snapshot snapshot = latest();
  if (const auto* own = KeyIn(snapshot.epoch()->validators)) return own->public_key();
  if (next_ && snapshot.validator(next_->validator.public_key())) {
    return next_->validator.public_key();
  }
  return keys_.validator.public_key();
}

Snapshot Host::latest() const {
  const std::lock_guard lock(mutex_);
  return *latest_;
}

std::optional<ProvenBlock> Host::proven() const {
  const std::lock_guard lock(mutex_);
  return proven_;
}

SyncStatus Host::sync_status() const {
  const std::lock_guard lock(mutex_);
  return sync_status_;
}

ServiceStatus Host::service_status() const {
  const std::lock_guard lock(mutex_);
  return service_status_;
}

namespace {

template <class T>
Result<T> Await(std::future<Result<T>> answer) {
  if (answer.wait_for(kAnswerPatience) != std::future_status::ready) {
    return proto::Fail(ErrorCode::kUnavailable, "the validator is busy; try again");
  }
  return answer.get();
}

const char kNoPart[] = "this validator does not compute in the present epoch, or not yet";

}  // namespace

Result<proto::Digest> Host::Submit(proto::Bytes transaction) {
  std::vector<proto::Bytes> one;
  one.push_back(std::move(transaction));
  auto answers = SubmitAll(std::move(one));
  if (!answers) return tl::unexpected(answers.error());
  return std::move(answers->front());
}

// The signatures are verified here, on the interface's threads.
Result<Host::Answers> Host::SubmitAll(std::vector<proto::Bytes> transactions) {
  if (forwards_full_) {
    return proto::Fail(ErrorCode::kExhausted,
                       "this node is no member, and members have not yet taken what waits here; "
                       "try again, or ask a member");
  }
  Submission submission;
  submission.answer = std::make_shared<std::promise<Result<Answers>>>();
  auto answer = submission.answer->get_future();
  std::size_t weight = kItemOverhead;
  submission.transactions.reserve(transactions.size());
  for (proto::Bytes& transaction : transactions) {
    weight += transaction.size() + kItemOverhead;
    submission.transactions.push_back(machine_->Check(std::move(transaction)));
  }
  if (!ledger_queue_.PushWait(std::move(submission), weight)) {
    return proto::Fail(ErrorCode::kUnavailable, "the validator is stopping");
  }
  return Await(std::move(answer));
}

std::optional<proto::sync::Message> Host::SyncAnswer(proto::sync::Message question) {
  auto promise = std::make_shared<std::promise<std::optional<proto::sync::Message>>>();
  auto answer = promise->get_future();
  if (!ledger_queue_.PushWait(Asked{std::move(question), std::move(promise)}, kItemOverhead)) {
    return std::nullopt;
  }
  if (answer.wait_for(kAnswerPatience) != std::future_status::ready) return std::nullopt;
  return answer.get();
}

const KeyValueStore& Host::store() const {
  return *store_;
}

Counters Host::counters() const {
  const std::lock_guard lock(mutex_);
  Counters counters = counters_;
  counters.store_syncs = store_->syncs();
  counters.store_bytes = store_->bytes_written();
  return counters;
}

Result<std::vector<mpc::Fp>> Host::MaskShares(std::uint64_t attempt) {
  auto promise = std::make_shared<std::promise<Result<std::vector<mpc::Fp>>>>();
  auto answer = promise->get_future();
  service_queue_.Push(Call([this, promise, attempt] {
    const auto record = latest().attempt(attempt);
    const auto part = record ? parts_.find(record->epoch) : parts_.end();
    Service* const service = part == parts_.end() ? nullptr : part->second->service();
    promise->set_value(service == nullptr ? proto::Fail(ErrorCode::kUnavailable, kNoPart)
                                          : service->MaskShares(attempt));
  }));
  return Await(std::move(answer));
}

std::vector<AnswerStep> Host::AnswerSteps(std::uint64_t request, std::uint64_t from,
                                          std::size_t count) const {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(request);
  if (found == answers_.end() || from >= found->second.size()) return {};
  const auto first = found->second.begin() + static_cast<std::ptrdiff_t>(from);
  const std::size_t there = found->second.size() - static_cast<std::size_t>(from);
  return {first, first + static_cast<std::ptrdiff_t>(std::min(there, count))};
}

Result<> Host::AddModelFile(proto::Bytes bytes) {
  auto promise = std::make_shared<std::promise<Result<>>>();
  auto answer = promise->get_future();
  auto file = std::make_shared<proto::Bytes>(std::move(bytes));
  service_queue_.Push(Call([this, promise, file] {
    const auto newest = std::ranges::find_if(parts_.rbegin(), parts_.rend(), [](const auto& part) {
      return part.second->service() != nullptr;
    });
    if (newest == parts_.rend()) {
      return promise->set_value(proto::Fail(ErrorCode::kUnavailable, kNoPart));
    }
    EpochMember& part = *newest->second;
    auto step = part.service()->AddFile(std::move(*file), NowUs());
    promise->set_value(step ? Result<>() : tl::unexpected(step.error()));
    if (step) Dispatch(part, std::move(*step));
  }));
  return Await(std::move(answer));
}

Result<proto::SharedBytes> Host::ReadModelFile(const proto::Digest& digest) {
  auto promise = std::make_shared<std::promise<Result<proto::SharedBytes>>>();
  auto answer = promise->get_future();
  service_queue_.Push(Call([this, promise, digest] {
    Service* const service = NewestService();
    promise->set_value(service == nullptr ? proto::Fail(ErrorCode::kUnavailable, kNoPart)
                                          : service->ReadFile(digest));
  }));
  return Await(std::move(answer));
}

proto::Signature Host::Sign(std::uint64_t epoch, const proto::Digest& digest) const {
  const auto record = latest().epoch(epoch);
  const auto* own = record ? KeyIn(Members(epoch, record->keys())) : nullptr;
  return (own == nullptr ? keys_.validator : *own).Sign(digest);
}

std::vector<PeerLink> Host::peers() const {
  return peers_->status();
}

std::optional<std::string> Host::why_not_ready() const {
  if (const std::string reason = failure(); !reason.empty()) return "stopped: " + reason;
  const SyncStatus sync = sync_status();
  if (sync.download) {
    const DownloadStatus& download = *sync.download;
    if (!download.why_not.empty()) return "too far behind: " + download.why_not;
    return "fetching the state of block " + std::to_string(download.height) + ": " +
           std::to_string(download.chunks_done) + " of " + std::to_string(download.chunks_total) +
           " chunks";
  }
  const Snapshot snapshot = latest();
  const Members& validators = snapshot.epoch()->validators;
  const auto standing = why_standing();
  if (!KeyIn(validators)) return standing;  // It follows.
  const std::size_t up = 1 + peers_->connected();
  const std::uint16_t quorum = validators.committee.quorum();
  if (up < quorum) {
    return "connected to " + std::to_string(up - 1) + " of " +
           std::to_string(validators.committee.size() - 1) + " validators; " +
           std::to_string(quorum - 1) + " are needed";
  }
  if (sync.observing) return "only observing: " + sync.why_not;
  if (!standing) return std::nullopt;
  std::string away;
  for (const PeerLink& peer : peers_->status()) {
    if (!peer.up) away += (away.empty() ? "; not connected: " : ", ") + peer.name;
  }
  return *standing + ": " + std::to_string(quorum) +
         " validators must take part, and who only observes does not" + away;
}

std::optional<std::string> Host::why_standing() const {
  const auto limit = std::max(milliseconds(kStandstill), 100 * milliseconds(config_.idle_delay_ms));
  steady_clock::duration still;
  {
    const std::lock_guard lock(mutex_);
    still = steady_clock::now() - newest_block_;
  }
  if (still < limit) return std::nullopt;
  return "no block for " +
         std::to_string(std::chrono::duration_cast<std::chrono::seconds>(still).count()) + " s";
}

}  // namespace node
