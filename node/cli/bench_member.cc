#include "node/cli/bench_member.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mpc/online/client.h"
#include "mpc/online/session.h"
#include "mpc/preprocessing/attempt.h"
#include "node/store/mapped_file.h"
#include "proto/base/overloaded.h"

namespace node {
namespace {

using proto::Bytes;
using proto::PartyId;
using Channel = BenchChannel;
using Word = BenchWord;

constexpr std::uint64_t kRequest = 1;
// Addresses that a member's heap grows into.
constexpr std::size_t kHeapBytes = std::size_t{8} << 30;
constexpr std::size_t kLargePage = std::size_t{2} << 20;

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

// Bytes of memory that are this process' own: what of mapped files is resident belongs to all.
std::uint64_t OwnMemory() {
  unsigned long all = 0, resident = 0, shared = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  const bool read = std::fscanf(file, "%lu %lu %lu", &all, &resident, &shared) == 3;
  std::fclose(file);
  return read ? (resident - shared) * static_cast<std::uint64_t>(getpagesize()) : 0;
}

// Long vectors come and go: what was freed is used again, not asked of the system anew, and pages
// are large. Either way a page comes cleared, which costs as much as computing what goes there.
// The first `warm` bytes are touched here: a validator has run before.
void KeepHeap(std::size_t warm) {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // Never.
  void* const room = malloc(kHeapBytes);
  if (room == nullptr) return;
  const auto begin = (reinterpret_cast<std::uintptr_t>(room) + kLargePage - 1) & ~(kLargePage - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(room) + kHeapBytes;
  madvise(reinterpret_cast<void*>(begin), (end - begin) & ~(kLargePage - 1), MADV_HUGEPAGE);
  explicit_bzero(room, std::min(warm, kHeapBytes));
  free(room);
}

mpc::Segment SegmentOf(proto::ByteSpan bytes) {
  return {proto::GetU32(bytes.first(4)), proto::GetU32(bytes.subspan(4).first(4)),
          proto::GetU64(bytes.subspan(8).first(8))};
}

// Slots in a file without a name.
class SlotFile : public mpc::SlotStore {
 public:
  explicit SlotFile(const std::string& directory)
      : file_(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {
    CHECK(file_ >= 0);
  }
  SlotFile(const SlotFile&) = delete;
  SlotFile& operator=(const SlotFile&) = delete;
  ~SlotFile() override { close(file_); }

  void Save(mpc::TensorId op, const std::vector<mpc::Fp>& slot) {
    const auto* data = reinterpret_cast<const char*>(slot.data());
    const std::size_t size = slot.size() * sizeof(mpc::Fp);
    for (std::size_t done = 0; done < size;) {
      const ssize_t wrote =
          pwrite(file_, data + done, size - done, size_ + static_cast<off_t>(done));
      CHECK(wrote > 0);
      done += static_cast<std::size_t>(wrote);
    }
    places_[op] = {size_, slot.size()};
    size_ += static_cast<off_t>(size);
  }
  std::span<const mpc::Fp> Slot(mpc::TensorId op) const override {
    if (mapped_.size() != static_cast<std::size_t>(size_)) {
      auto mapped = MapFile(file_, static_cast<std::size_t>(size_));
      CHECK(mapped.has_value());
      mapped_ = std::move(*mapped);
    }
    const Place& place = places_.at(op);
    const auto* const first = mapped_.span().data() + place.offset;
    return {reinterpret_cast<const mpc::Fp*>(first), place.count};
  }

 private:
  struct Place {
    off_t offset = 0;
    std::size_t count = 0;
  };

  const int file_;
  off_t size_ = 0;
  std::map<mpc::TensorId, Place> places_;
  mutable proto::SharedBytes mapped_;  // Once it is read.
};

// A bundle as its segments come: in memory while it is one, else in a file.
class BundleStore {
 public:
  explicit BundleStore(std::string directory) : directory_(std::move(directory)) {}

  void Add(mpc::Bundle bundle) {
    const bool whole = !bundle.slots.back().empty();  // The last segment.
    if (bundle_.slots.empty() || bundle.attempt != bundle_.attempt) {
      bundle_ = std::move(bundle);
      file_.reset();
      if (whole) return;
      bundle_.store = file_ = std::make_shared<SlotFile>(directory_);
      return Save(bundle_.slots);
    }
    Save(bundle.slots);
    bundle_.slots.back() = std::move(bundle.slots.back());
  }
  // This member's shares of the client's masks; empty until the last segment is here.
  Bytes ClientMasks(const mpc::Plan& plan) const {
    if (bundle_.slots.back().empty()) return {};
    return mpc::EncodeElements(mpc::ClientMaskShares(plan, bundle_));
  }
  mpc::Bundle Take() {
    file_.reset();
    return std::move(bundle_);
  }

 private:
  // All but the last, which the client is told of.
  void Save(std::vector<std::vector<mpc::Fp>>& slots) {
    for (mpc::TensorId op = 0; op + 1 < slots.size(); ++op) {
      if (slots[op].empty()) continue;
      file_->Save(op, slots[op]);
      slots[op] = std::vector<mpc::Fp>();
    }
  }

  const std::string directory_;
  mpc::Bundle bundle_;
  std::shared_ptr<SlotFile> file_;
};

// One member's process.
class Member {
 public:
  Member(mpc::PartyContext context, std::shared_ptr<const mpc::Plan> plan,
         const CommitteeOptions& options, std::map<std::uint16_t, BenchLink> peers,
         BenchLink ledger)
      : context_(std::move(context)),
        plan_(std::move(plan)),
        plan_digest_(),
        options_(options),
        peers_(std::move(peers)),
        ledger_(std::move(ledger)),
        store_(options.directory) {}

  void Run() {
    std::vector<BenchLink*> links{&ledger_};
    for (auto& [party, link] : peers_) links.push_back(&link);
    Tell(Word::kReady, 0);
    std::uint64_t next_tick = MonotonicNs();
    while (!stopped_) {
      if (!ledger_.Pump()) return;
      for (auto& [party, link] : peers_) link.Pump();
      bool busy = false;
      while (auto message = ledger_.Take()) {
        On(BenchMessage::Decode(message->body));
        busy = true;
      }
      for (auto& [party, link] : peers_) {
        if (auto message = link.Take()) {
          Receive(PartyId{party}, std::move(*message));
          busy = true;
        }
      }
      if (!own_.empty()) {
        auto act = std::move(own_.front());
        own_.pop_front();
        act();
        busy = true;
      }
      if (busy) continue;
      if (MonotonicNs() >= next_tick) {
        next_tick = MonotonicNs() + kBenchTickMs * 1'000'000ull;
        if (attempt_) Carry(attempt_->Tick());
      }
      WaitFor(links, kBenchTickMs);
    }
    while (ledger_.wants_to_write() && ledger_.Pump()) WaitFor({&ledger_}, kBenchTickMs);
  }

 private:
  void Tell(Word word, std::uint64_t number, proto::Digest digest = {}, Bytes rest = {}) {
    ledger_.Send(
        kLedgerChannel,
        std::make_shared<Bytes>(BenchMessage{word, number, digest, std::move(rest)}.Encode()),
        delay_ns());
  }
  std::uint64_t delay_ns() const { return options_.delay_ms * 1'000'000ull; }

  void On(const BenchMessage& message) {
    switch (message.word) {
      case Word::kBegin:
        number_ = message.number;
        attempt_.reset();
        attempt_ = std::make_unique<mpc::Attempt>(context_, plan_, plan_digest_, number_,
                                                  std::vector<Bytes>{}, SegmentOf(message.rest));
        Carry(attempt_->Start());
        return Unpack(early_attempt_, kAttemptChannel);
      case Word::kFixed:
        return Carry(
            attempt_->OnLayerFixed(static_cast<std::uint32_t>(message.number), message.digest));
      case Word::kVerdict:
        return Carry(attempt_->OnVerdict(message.number == 1));
      case Word::kOnline:
        return StartSession(message.rest);
      case Word::kStop:
        Report();
        stopped_ = true;
        return;
      default:
        CHECK(false);
    }
  }

  void StartSession(const Bytes& tokens) {
    handled_ns_ = MonotonicNs();
    handled_cpu_ = CpuSeconds();
    cpu_preprocessing_ = handled_cpu_ - cpu_begin_;
    attempt_.reset();
    std::vector<std::uint32_t> masked;
    for (std::size_t i = 0; i < tokens.size(); i += 4) {
      masked.push_back(proto::GetU32(proto::ByteSpan(tokens).subspan(i).first(4)));
    }
    session_ =
        std::make_unique<mpc::Session>(context_, plan_, store_.Take(), kRequest, std::move(masked));
    Carry(session_->Start());
    Unpack(early_session_, kSessionChannel);
  }

  void Unpack(std::vector<std::pair<PartyId, Bytes>>& early, Channel channel) {
    for (auto& [from, body] : std::exchange(early, {})) {
      Receive(from, {channel, 0, std::move(body)});
    }
  }

  void Receive(PartyId from, BenchLink::Incoming message) {
    if (message.channel == kAttemptChannel) {
      auto decoded = proto::DecodeAttemptMessage(message.body);
      CHECK(decoded.has_value());
      const std::uint64_t number = std::visit([](const auto& m) { return m.attempt; }, *decoded);
      if (session_ || (attempt_ && number < number_)) return;  // Of an attempt that is over.
      if (!attempt_ || number > number_) {
        early_attempt_.emplace_back(from, std::move(message.body));
        return;
      }
      message.body = Bytes();
      Carry(attempt_->Handle(from, std::move(*decoded)));
    } else {
      if (!session_) {
        early_session_.emplace_back(from, std::move(message.body));
        return;
      }
      auto decoded = proto::DecodeSessionMessage(message.body);
      CHECK(decoded.has_value());
      message.body = Bytes();
      HandleSession(from, std::move(*decoded));
    }
  }

  // `sent` says where a message's bytes count.
  template <class Message>
  void SendOut(Channel channel, std::vector<proto::Outgoing<Message>>& messages,
               const std::function<std::uint64_t&(const Message&)>& sent,
               const std::function<void(Message)>& to_self) {
    for (auto& [target, message] : messages) {
      std::shared_ptr<const Bytes> encoded;
      for (auto& [party, link] : peers_) {
        if (!target.Includes(PartyId{party})) continue;
        if (!encoded) encoded = std::make_shared<const Bytes>(Encode(message));
        sent(message) += encoded->size();
        link.Send(channel, encoded, delay_ns());
      }
      if (!target.Includes(context_.self)) continue;
      own_.push_back([to_self, own = std::make_shared<Message>(std::move(message))] {
        to_self(std::move(*own));
      });
    }
    for (auto& [party, link] : peers_) link.Pump();
  }

  void Carry(mpc::Attempt::Step step) {
    memory_ = std::max(memory_, OwnMemory());
    const std::uint64_t number = number_;
    SendOut<proto::AttemptMessage>(
        kAttemptChannel, step.messages,
        [this](const proto::AttemptMessage&) -> std::uint64_t& { return sent_preprocessing_; },
        [this, number](proto::AttemptMessage message) {
          if (attempt_ && number == number_) {
            Carry(attempt_->Handle(context_.self, std::move(message)));
          }
        });
    for (auto& output : step.outputs) {
      std::visit(proto::Overloaded{
                     [&](mpc::PostCertificate& post) {
                       Tell(Word::kCertificate, post.certificate.layer, post.certificate.root);
                     },
                     [&](mpc::PostVerdict& post) { Tell(Word::kVerdict, post.pass ? 1 : 0); },
                     [&](mpc::LayerKnown&) {},
                     [](mpc::SendersKnown&) {},
                     [](mpc::Equivocation&) {},
                     [&](mpc::BundleReady& ready) {
                       store_.Add(std::move(ready.bundle));
                       Tell(Word::kBundle, 0, {}, store_.ClientMasks(*plan_));
                     },
                 },
                 output);
    }
  }

  void HandleSession(PartyId from, proto::SessionMessage message) {
    // The last opening of the input is also where the work begins, in the same Step.
    handled_ns_ = MonotonicNs();
    handled_cpu_ = CpuSeconds();
    Carry(session_->Handle(from, std::move(message)));
  }

  void Carry(mpc::Session::Step step) {
    memory_ = std::max(memory_, OwnMemory());
    SendOut<proto::SessionMessage>(
        kSessionChannel, step.messages,
        [this](const proto::SessionMessage& message) -> std::uint64_t& {
          const auto* opening = std::get_if<proto::Opening>(&message);
          const bool input =
              opening != nullptr && session_->RoundOf(opening->exchange) < options_.input_rounds;
          return input ? sent_input_ : sent_online_;
        },
        [this](auto message) { HandleSession(context_.self, std::move(message)); });
    const bool input = session_->round() < options_.input_rounds;
    if (!input && !input_told_) {
      input_told_ = true;
      cpu_input_ = handled_cpu_ - cpu_begin_ - cpu_preprocessing_;
      Tell(Word::kInput, handled_ns_);
    }
    for (auto& finished : step.outputs) {
      rounds_ = finished.rounds;
      Tell(Word::kFinished, MonotonicNs(), {}, mpc::EncodeElements(finished.output_shares));
    }
  }

  void Report() {
    Bytes rest;
    const double online = CpuSeconds() - cpu_begin_ - cpu_preprocessing_ - cpu_input_;
    proto::PutU64(rest, static_cast<std::uint64_t>(cpu_preprocessing_ * 1e9));
    proto::PutU64(rest, static_cast<std::uint64_t>(online * 1e9));
    proto::PutU64(rest, sent_preprocessing_);
    proto::PutU64(rest, sent_input_);
    proto::PutU64(rest, sent_online_);
    proto::PutU64(rest, memory_);
    for (const PartyId party : session_->accused())
      rest.push_back(static_cast<std::uint8_t>(Index(party)));
    Tell(Word::kReport, rounds_, {}, std::move(rest));
  }

  const mpc::PartyContext context_;
  const std::shared_ptr<const mpc::Plan> plan_;
  const proto::Digest plan_digest_;
  const CommitteeOptions options_;
  std::map<std::uint16_t, BenchLink> peers_;
  BenchLink ledger_;
  std::deque<std::function<void()>> own_;  // Messages to itself.
  bool stopped_ = false;

  std::uint64_t number_ = 0;
  std::unique_ptr<mpc::Attempt> attempt_;
  BundleStore store_;
  std::unique_ptr<mpc::Session> session_;
  std::vector<std::pair<PartyId, Bytes>> early_attempt_;
  std::vector<std::pair<PartyId, Bytes>> early_session_;
  bool input_told_ = false;
  std::uint64_t handled_ns_ = 0;  // When the message in hand was taken up.
  double handled_cpu_ = 0;        // Likewise.
  std::uint32_t rounds_ = 0;

  const double cpu_begin_ = CpuSeconds();
  double cpu_preprocessing_ = 0;
  double cpu_input_ = 0;
  std::uint64_t sent_preprocessing_ = 0;
  std::uint64_t sent_input_ = 0;
  std::uint64_t sent_online_ = 0;
  std::uint64_t memory_ = 0;
};

}  // namespace

// Waits until something can be done on a link, or a message is due, or the time is up.
void WaitFor(const std::vector<BenchLink*>& links, int timeout_ms) {
  std::vector<pollfd> polled;
  const std::uint64_t now = MonotonicNs();
  for (const BenchLink* link : links) {
    polled.push_back(
        {link->fd(), static_cast<short>(POLLIN | (link->wants_to_write() ? POLLOUT : 0)), 0});
    if (const auto due = link->next_due_ns()) {
      const std::uint64_t left = *due > now ? (*due - now) / 1'000'000 + 1 : 0;
      timeout_ms = std::min(timeout_ms, static_cast<int>(left));
    }
  }
  poll(polled.data(), polled.size(), timeout_ms);
}

proto::Bytes SegmentBytes(const mpc::Segment& segment) {
  proto::Bytes bytes;
  proto::PutU32(bytes, segment.begin);
  proto::PutU32(bytes, segment.end);
  proto::PutU64(bytes, *segment.masks);
  return bytes;
}

void RunMember(mpc::PartyContext context, std::shared_ptr<const mpc::Plan> plan,
               const CommitteeOptions& options, std::map<std::uint16_t, BenchLink> peers,
               BenchLink ledger) {
  KeepHeap(options.warm_bytes);
  Member(std::move(context), std::move(plan), options, std::move(peers), std::move(ledger)).Run();
}

}  // namespace node
