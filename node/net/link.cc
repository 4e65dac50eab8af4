#include "node/net/link.h"

#include <algorithm>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "node/net/frame.h"
#include "proto/base/check.h"
#include "proto/peer.grpc.pb.h"

namespace node {
namespace {

namespace wire = waxseal::wire;

constexpr int kKeepAliveMs = 10000;  // A silent connection is probed after this,
constexpr int kDeadAfterMs = 20000;  // and given up when the probe stays unanswered.
constexpr int kMetadataBytesMax = 8192;

std::shared_ptr<grpc::Channel> Connect(const Link::Peer& peer) {
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(peer.name);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kFrameOverheadMax));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of our own.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kDeadAfterMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // No bound.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  return grpc::CreateCustomChannel(peer.address, peer.credentials, arguments);
}

}  // namespace

// One stream. A read is always pending although the peer never writes: that it ends is how the end
// of the stream is noticed. gRPC is done when all that was begun has ended, and Finish last.
class Link::Call final {
 public:
  explicit Call(Link& link)
      : link_(link),
        stub_(wire::Peer::NewStub(Connect(link.peer_))),
        stream_(link.channel_ == Channel::kControl
                    ? stub_->PrepareAsyncControl(&context_, &link.poller_.queue())
                    : stub_->PrepareAsyncBulk(&context_, &link.poller_.queue())) {}

  void Start() {
    pending_ = 1;
    stream_->StartCall(&started_);
  }
  void Cancel() { context_.TryCancel(); }
  // `is_last`: nothing waits behind it. Else it may travel with what follows.
  void Write(proto::ByteSpan data, std::uint64_t more, bool is_last) {
    frame_.set_data(data.data(), data.size());
    frame_.set_more(more);
    ++pending_;
    grpc::WriteOptions options;
    if (!is_last) options.set_buffer_hint();
    stream_->Write(frame_, options, &written_);
  }

 private:
  void OnStarted(bool ok) {
    if (ok) Begin([&] { stream_->ReadInitialMetadata(&accepted_); });
    Ended(ok);
  }
  void OnAccepted(bool ok) {
    if (ok) {
      Begin([&] { stream_->Read(&nothing_, &read_); });
      link_.OnAccepted();
    }
    Ended(ok);
  }
  void OnRead(bool ok) {
    if (ok) Cancel();  // A peer that answers breaks the protocol.
    Ended(false);
  }
  void OnWritten(bool ok) {
    if (ok) link_.OnWritten(frame_.data().size(), frame_.more());
    Ended(ok);
  }
  void OnFinished() { link_.OnOver(status_.error_message()); }

  template <class Operation>
  void Begin(Operation operation) {
    ++pending_;
    operation();
  }
  void Ended(bool ok) {
    if (!ok && !std::exchange(over_, true)) {
      const std::lock_guard lock(link_.mutex_);
      link_.stage_ = Stage::kOver;
    }
    if (--pending_ == 0 && over_) stream_->Finish(&status_, &finished_);
  }

  Link& link_;
  grpc::ClientContext context_;
  const std::unique_ptr<wire::Peer::Stub> stub_;
  const std::unique_ptr<grpc::ClientAsyncReaderWriter<wire::Frame, wire::Nothing>> stream_;
  wire::Frame frame_;
  wire::Nothing nothing_;
  grpc::Status status_;
  int pending_ = 0;
  bool over_ = false;
  Poller::Tag started_ = [this](bool ok) { OnStarted(ok); };
  Poller::Tag accepted_ = [this](bool ok) { OnAccepted(ok); };
  Poller::Tag read_ = [this](bool ok) { OnRead(ok); };
  Poller::Tag written_ = [this](bool ok) { OnWritten(ok); };
  Poller::Tag finished_ = [this](bool) { OnFinished(); };
};

Link::Link(Poller& poller, Peer peer, Channel channel, const Limits& limits, Events events)
    : poller_(poller),
      peer_(std::move(peer)),
      channel_(channel),
      limits_(limits),
      events_(std::move(events)),
      pause_(limits.redial_ms_min) {}

Link::~Link() = default;

void Link::Start() {
  {
    const std::lock_guard lock(mutex_);
    CHECK(!runs_);
    runs_ = true;
  }
  poller_.Post([this] { Dial(); });
}

void Link::RequestStop() {
  {
    const std::lock_guard lock(mutex_);
    if (!runs_ || stopping_) return;
    stopping_ = true;
  }
  poller_.Post([this] {
    poller_.Cancel(timer_);
    const std::lock_guard lock(mutex_);
    if (call_) return Close();
    runs_ = false;
    stopped_.notify_all();
  });
}

void Link::Join() {
  std::unique_lock lock(mutex_);
  stopped_.wait(lock, [this] { return !runs_; });
}

void Link::Send(std::shared_ptr<const proto::Bytes> message) {
  CHECK(message && message->size() <= limits_.of(channel_).message_bytes_max);
  const std::lock_guard lock(mutex_);
  if (stage_ != Stage::kUp) return;
  queue_bytes_ += message->size() + kQueueOverheadPerMessage;
  queue_.push_back(std::move(message));
  if (queue_bytes_ > limits_.of(channel_).queue_bytes_max) {
    reason_ = "The peer reads too slowly: its queue is full.";
    return Close();
  }
  if (!std::exchange(writing_, true)) poller_.Post([this] { WriteNext(); });
}

Link::Status Link::status() const {
  const std::lock_guard lock(mutex_);
  Status status = status_;
  status.up = stage_ == Stage::kUp;
  status.bytes_queued = queue_bytes_;
  return status;
}

void Link::Close() {
  stage_ = Stage::kOver;
  queue_.clear();
  queue_bytes_ = 0;
  offset_ = 0;
  call_->Cancel();
}

void Link::Dial() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stage_ = Stage::kDialing;
    reason_.clear();
    writing_ = false;
    call_ = std::make_unique<Call>(*this);
  }
  accepted_ = false;
  call_->Start();
  timer_ = poller_.After(limits_.dial_ms_max, [this] {
    const std::lock_guard lock(mutex_);
    if (stage_ != Stage::kDialing) return;
    reason_ = "The peer did not answer in time.";
    Close();
  });
}

void Link::OnAccepted() {
  poller_.Cancel(timer_);
  {
    const std::lock_guard lock(mutex_);
    if (stage_ != Stage::kDialing) return;
    stage_ = Stage::kUp;
    status_.connections += 1;
    status_.last_error.clear();
  }
  accepted_ = true;
  since_ = std::chrono::steady_clock::now();
  events_.connected();
}

void Link::WriteNext() {
  std::shared_ptr<const proto::Bytes> message;
  Cut cut{};
  std::size_t offset = 0;
  bool is_last = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = stage_ == Stage::kUp && !queue_.empty();
    if (!writing_) return;
    message = queue_.front();
    offset = offset_;
    cut = CutFrame(message->size(), offset);
    is_last = cut.more == 0 && queue_.size() == 1;
  }
  call_->Write(proto::ByteSpan(*message).subspan(offset, cut.size), cut.more, is_last);
}

void Link::OnWritten(std::size_t size, std::uint64_t more) {
  {
    const std::lock_guard lock(mutex_);
    if (stage_ != Stage::kUp) return;
    status_.bytes_sent += size;
    offset_ += size;
    if (more == 0) {
      status_.messages_sent += 1;
      queue_bytes_ -= offset_ + kQueueOverheadPerMessage;
      queue_.pop_front();
      offset_ = 0;
    }
  }
  WriteNext();
}

void Link::OnOver(const std::string& reason) {
  poller_.Cancel(timer_);
  std::unique_ptr<Call> call;  // Destroyed at the end: this is called from it.
  {
    const std::lock_guard lock(mutex_);
    Close();
    call = std::move(call_);
    stage_ = Stage::kDown;
    // An end that was not ours has its reason in gRPC's status.
    status_.last_error = reason_.empty() ? reason : reason_;
  }
  if (accepted_) events_.disconnected();
  const bool lasted =
      accepted_ && std::chrono::steady_clock::now() - since_ > limits_.redial_ms_max;
  if (lasted) pause_ = limits_.redial_ms_min;
  timer_ = poller_.After(pause_, [this] { Dial(); });
  pause_ = std::min(2 * pause_, limits_.redial_ms_max);
  const std::lock_guard lock(mutex_);
  if (!stopping_) return;
  poller_.Cancel(timer_);
  runs_ = false;
  stopped_.notify_all();
}

}  // namespace node
