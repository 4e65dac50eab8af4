#include "node/loop/host.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <spdlog/spdlog.h>

#include "node/loop/files.h"
#include "node/rpc/methods.h"
#include "node/rpc/server.h"
#include "node/store/file_store.h"
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
constexpr milliseconds kServiceTick{250};
constexpr milliseconds kSyncBeat{250};
constexpr std::chrono::seconds kAnswerPatience{30};
// A message's memory beside its bytes.
constexpr std::size_t kItemOverhead = 256;

std::uint64_t NowUs() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now().time_since_epoch())
          .count());
}

}  // namespace

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
  return Identity{config, std::move(*genesis), std::move(*keys)};
}

Result<std::unique_ptr<Host>> Host::Open(const Config& config) {
  return OpenAs<Host>(config);
}

Host::Host(Identity identity)
    : config_(std::move(identity.config)),
      genesis_(std::move(identity.genesis)),
      chain_(proto::ChainId(genesis_)),
      keys_(std::move(identity.keys)),
      sets_(genesis_.committee()),
      context_{genesis_.committee(), {}, nullptr, {}, {}, 0, nullptr, nullptr, {}, nullptr},
      undecodable_(genesis_.validators.size()),
      mpc_faults_(genesis_.validators.size()),
      ledger_queue_(kLedgerQueueBytesMax),
      service_queue_(kServiceQueueBytesMax) {}

Result<> Host::OpenStores() {
  const auto& validators = genesis_.validators;
  const auto own =
      std::ranges::find(validators, keys_.validator.public_key(), &proto::ValidatorSpec::key);
  if (own == validators.end()) {
    return proto::Fail(ErrorCode::kInvalidArgument,
                       "the key in " + config_.Path(config_.keys) +
                           " is none of the genesis document's validators");
  }
  self_ = static_cast<PartyId>(own - validators.begin());
  auto replicated = mpc::ReplicatedKeys::From(sets_, self_, keys_.replicated);
  if (!replicated) return tl::unexpected(replicated.error());
  replicated_ = std::move(*replicated);
  LockInMemory(keys_);
  context_.self = self_;
  context_.key = &keys_.validator;
  context_.keys = genesis_.keys();
  context_.chain = chain_;
  context_.epoch = proto::kEpoch;
  context_.sets = &sets_;
  context_.replicated = &*replicated_;
  context_.coin = genesis_.coin_key();
  context_.coin_secret = &keys_.coin;

  const std::string data = config_.Path(config_.data);
  if (auto made = MakeDirectories(data); !made) return made;
  auto store = Store::Open(data + "/db", config_.fsync);
  if (!store) return tl::unexpected(store.error());
  store_ = std::move(*store);
  auto files = FileStore::Open(data + "/files");
  if (!files) return tl::unexpected(files.error());
  files_ = std::move(*files);
  const proto::Bytes entropy = node::Entropy(sizeof(std::uint64_t));
  MachineOptions options{config_.retain_rounds, 0};
  for (const std::uint8_t byte : entropy) options.nonce = options.nonce << 8 | byte;
  auto machine = LedgerMachine::Open(genesis_, self_, keys_.validator.Clone(), keys_.coin.Clone(),
                                     *store_, options);
  if (!machine) return tl::unexpected(machine.error());
  machine_ = std::move(*machine);
  latest_ = machine_->latest();
  proven_ = machine_->proven();
  sync_status_ = machine_->sync_status();
  service_ = std::make_unique<Service>(context_, *files_);
  return {};
}

Host::~Host() {
  Stop();
}

Result<> Host::Start() {
  std::vector<PeerInfo> peers;
  for (std::size_t i = 0; i < genesis_.validators.size(); ++i) {
    const auto party = static_cast<PartyId>(i);
    if (party == self_) continue;
    const proto::ValidatorSpec& peer = genesis_.validators[i];
    peers.push_back(
        {party, peer.peer_address, peer.certificate, peer.key, peer.certificate_signature});
  }
  const proto::ValidatorSpec& own = genesis_.validators[Index(self_)];
  network_ = std::make_unique<Network>(
      self_, TlsIdentity{keys_.tls_certificate_pem, keys_.tls_key_pem}, std::move(peers),
      config_.peer_listen.empty() ? own.peer_address : config_.peer_listen,
      Network::Callbacks{[this](PartyId from, Channel channel, proto::Bytes bytes) {
                           if (!delay_line_) return OnMessage(from, channel, std::move(bytes));
                           delay_line_->Push([this, from, channel, bytes = std::move(bytes)] {
                             OnMessage(from, channel, bytes);
                           });
                         },
                         [this](PartyId party, Channel channel) {
                           spdlog::debug("connected to {} ({})",
                                         genesis_.validators[Index(party)].name, Name(channel));
                           if (channel == Channel::kControl) {
                             ledger_queue_.Push(Connected{party});
                           } else {
                             service_queue_.Push(Connected{party});
                           }
                         },
                         [this](PartyId party, Channel channel) {
                           spdlog::info("lost {} ({})", genesis_.validators[Index(party)].name,
                                        Name(channel));
                         }});
  rpc_ = std::make_unique<RpcServer>(
      config_.rpc_listen.empty() ? own.rpc_address : config_.rpc_listen, MakeHandlers(*this));
  if (config_.link_delay_ms > 0) {
    delay_line_ = std::make_unique<DelayLine>(milliseconds(config_.link_delay_ms));
  }
  checkers_ = std::make_unique<Checkers>(
      [this](proto::Bytes bytes) { return machine_->Check(std::move(bytes)); },
      [this](std::vector<proto::CheckedTransaction> transactions) {
        ledger_queue_.Push(Checked{std::move(transactions)});
      });
  if (auto started = rpc_->Start(); !started) return started;
  if (auto started = network_->Start(); !started) return started;
  ledger_thread_ = std::thread([this] { LedgerLoop(); });
  service_thread_ = std::thread([this] { ServiceLoop(); });
  return {};
}

void Host::Stop() {
  stopping_ = true;
  ledger_queue_.Close();
  service_queue_.Close();
  if (rpc_) rpc_->Stop();
  if (network_) network_->Stop();
  if (delay_line_) delay_line_->Stop();
  if (checkers_) checkers_->Stop();
  if (ledger_thread_.joinable()) ledger_thread_.join();
  if (service_thread_.joinable()) service_thread_.join();
}

void Host::OnMessage(PartyId from, Channel channel, proto::Bytes bytes) {
  const std::size_t weight = bytes.size() + kItemOverhead;
  // Said at the 1st, 2nd, 4th, ... time: a peer must not fill the disk with our log.
  const auto refuse = [&](const proto::Error& error) {
    const std::uint64_t times = ++undecodable_[Index(from)];
    if (!std::has_single_bit(times)) return;
    spdlog::warn("{} sent a message that does not decode, for the {}. time: {}",
                 genesis_.validators[Index(from)].name, times, error.message);
  };
  if (channel == Channel::kControl && proto::sync::IsSync(bytes)) {
    auto message = proto::sync::DecodeMessage(bytes);
    if (!message) return refuse(message.error());
    ledger_queue_.PushWait(SyncFromPeer{from, std::move(*message)}, weight);
  } else if (channel == Channel::kControl) {
    auto message = proto::dag::DecodeMessage(bytes);
    if (!message) return refuse(message.error());
    // Where transactions carry no signature, there is nothing to be gained.
    if (const auto* batch = std::get_if<proto::dag::Batch>(&*message)) {
      checkers_->Add(batch->transactions);
    }
    ledger_queue_.PushWait(FromPeer{from, std::move(*message)}, weight);
  } else {
    auto message = DecodeInferenceMessage(bytes);
    if (!message) return refuse(message.error());
    service_queue_.PushWait(Bulk{from, std::move(*message)}, weight);
  }
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
      std::visit(proto::Overloaded{
                     [&](FromPeer& m) { machine_->Handle(m.party, std::move(m.message)); },
                     [&](SyncFromPeer& m) { machine_->Handle(m.party, std::move(m.message)); },
                     [&](Connected& c) { machine_->PeerConnected(c.party); },
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
  for (const proto::Fault& fault : step.faults) {
    spdlog::debug("{} misbehaves: kind {}", genesis_.validators[Index(fault.party)].name,
                  static_cast<int>(fault.kind));
  }
  if (step.halt) return Fail(*step.halt);
  for (auto& [target, message] : step.messages) {
    std::shared_ptr<const proto::Bytes> bytes;
    for (std::uint16_t i = 0; i < genesis_.validators.size(); ++i) {
      const auto party = static_cast<PartyId>(i);
      if (!target.Includes(party) || party == self_) continue;
      if (!bytes) bytes = std::make_shared<const proto::Bytes>(proto::dag::Encode(message));
      network_->Send(party, Channel::kControl, bytes);
      ++messages_sent_;
    }
    if (target.Includes(self_)) ledger_queue_.Push(FromPeer{self_, std::move(message)});
  }
  for (const auto& [target, message] : step.sync_messages) {
    network_->Send(*target.party, Channel::kControl,
                   std::make_shared<const proto::Bytes>(proto::sync::Encode(message)));
  }
  {
    const std::lock_guard lock(mutex_);
    latest_ = machine_->latest();
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

// ---- the service's thread ----------------------------------------------------------------------

void Host::ServiceLoop() {
  Dispatch(service_->Resume(latest(), NowUs()));
  auto last_tick = steady_clock::now();
  while (!stopping_) {
    std::vector<ServiceItem> items = service_queue_.Take(last_tick + kServiceTick);
    // People wait for answers to calls, and these are short.
    std::ranges::stable_partition(
        items, [](const ServiceItem& item) { return std::holds_alternative<Call>(item); });
    for (ServiceItem& item : items) {
      if (stopping_) return;
      Dispatch(std::visit(
          proto::Overloaded{
              [&](Bulk& m) { return service_->Handle(m.party, std::move(m.message), NowUs()); },
              [&](Connected& c) { return service_->PeerConnected(c.party, NowUs()); },
              [&](Decided& d) { return service_->OnEvents(d.snapshot, d.events, NowUs()); },
              [&](Rebased& r) {
                service_ = std::make_unique<Service>(context_, *files_);
                return service_->Resume(r.snapshot, NowUs());
              },
              [&](Call& call) { return call(*service_); },
          },
          item));
    }
    if (steady_clock::now() >= last_tick + kServiceTick) {
      last_tick = steady_clock::now();
      Dispatch(service_->Tick(NowUs()));
    }
  }
}

void Host::Dispatch(Service::Step step) {
  step = BeforeSending(std::move(step));
  for (const std::string& note : step.notes) spdlog::info("{}", note);
  for (const proto::Fault& fault : step.faults) {
    const std::uint64_t times = ++mpc_faults_[Index(fault.party)];
    if (!std::has_single_bit(times)) continue;
    spdlog::warn("{} misbehaves in MPC, for the {}. time: kind {}",
                 genesis_.validators[Index(fault.party)].name, times, static_cast<int>(fault.kind));
  }
  for (auto& [target, message] : step.messages) {
    std::shared_ptr<const proto::Bytes> bytes;
    for (std::uint16_t i = 0; i < genesis_.validators.size(); ++i) {
      const auto party = static_cast<PartyId>(i);
      if (!target.Includes(party) || party == self_) continue;
      if (!bytes) bytes = std::make_shared<const proto::Bytes>(Encode(message));
      network_->Send(party, Channel::kBulk, bytes);
    }
    if (target.Includes(self_)) service_queue_.Push(Bulk{self_, std::move(message)});
  }
  for (proto::Payload& payload : step.outputs) {
    proto::Transaction transaction;
    transaction.chain = chain_;
    transaction.sender = keys_.validator.public_key();
    transaction.payload = std::move(payload);
    Submission submission;
    submission.transactions.push_back(
        machine_->Check(proto::SignTransaction(keys_.validator, std::move(transaction))));
    ledger_queue_.Push(std::move(submission));
  }
  const std::lock_guard lock(mutex_);
  service_status_ = service_->status();
}

// ---- what the interface asks --------------------------------------------------------------------

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
  service_queue_.Push(Call([promise, attempt](Service& service) {
    promise->set_value(service.MaskShares(attempt));
    return Service::Step();
  }));
  return Await(std::move(answer));
}

Result<> Host::AddModelFile(proto::Bytes bytes) {
  auto promise = std::make_shared<std::promise<Result<>>>();
  auto answer = promise->get_future();
  auto file = std::make_shared<proto::Bytes>(std::move(bytes));
  service_queue_.Push(Call([promise, file](Service& service) {
    auto step = service.AddFile(std::move(*file), NowUs());
    promise->set_value(step ? Result<>() : tl::unexpected(step.error()));
    return step ? std::move(*step) : Service::Step();
  }));
  return Await(std::move(answer));
}

Result<proto::Bytes> Host::ReadModelFile(const proto::Digest& digest) {
  auto promise = std::make_shared<std::promise<Result<proto::Bytes>>>();
  auto answer = promise->get_future();
  service_queue_.Push(Call([promise, digest](Service& service) {
    promise->set_value(service.ReadFile(digest));
    return Service::Step();
  }));
  return Await(std::move(answer));
}

proto::Signature Host::Sign(const proto::Digest& digest) const {
  return keys_.validator.Sign(digest);
}

std::vector<PeerLink> Host::peers() const {
  std::vector<PeerLink> links;
  for (const PeerStatus& peer : network_->peers()) {
    PeerLink link{peer.id, peer.address, true, 0, 0, ""};
    for (const ChannelStatus& channel : peer.channels) {
      link.up = link.up && channel.outgoing;
      link.bytes_sent += channel.bytes_sent;
      link.bytes_received += channel.bytes_received;
      if (!channel.outgoing) link.last_error = channel.last_error;
    }
    links.push_back(std::move(link));
  }
  return links;
}

std::optional<std::string> Host::why_not_ready() const {
  if (const std::string reason = failure(); !reason.empty()) return "stopped: " + reason;
  std::size_t up = 1;
  for (const PeerLink& peer : peers()) up += peer.up ? 1 : 0;
  if (up < genesis_.committee().quorum()) {
    return "connected to " + std::to_string(up - 1) + " of " +
           std::to_string(genesis_.validators.size() - 1) + " validators; " +
           std::to_string(genesis_.committee().quorum() - 1) + " are needed";
  }
  const SyncStatus sync = sync_status();
  if (sync.download) {
    const DownloadStatus& download = *sync.download;
    if (!download.why_not.empty()) return "too far behind: " + download.why_not;
    return "fetching the state of block " + std::to_string(download.height) + ": " +
           std::to_string(download.chunks_done) + " of " + std::to_string(download.chunks_total) +
           " chunks";
  }
  if (sync.observing) return "only observing: " + sync.why_not;
  return std::nullopt;
}

}  // namespace node
