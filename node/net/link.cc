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
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  return grpc::CreateCustomChannel(peer.address, peer.credentials, arguments);
}

}  // namespace

// gRPC's view of the stream. A read is always pending although the peer never writes: that it ends
// is how the end of the stream is noticed. The hold lets the host's threads start writes until
// then.
class Link::Call final : public grpc::ClientBidiReactor<wire::Frame, wire::Nothing> {
 public:
  explicit Call(Link& link) : link_(link) {}

  void Start(wire::Peer::Stub& stub) {
    if (link_.channel_ == Channel::kControl) {
      stub.async()->Control(&context_, this);
    } else {
      stub.async()->Bulk(&context_, this);
    }
    AddHold();
    StartRead(&nothing_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }
  void Write(proto::ByteSpan data, std::uint64_t more) {
    frame_.set_data(data.data(), data.size());
    frame_.set_more(more);
    StartWrite(&frame_);
  }

  // Set under the link's mutex; `status` is read after `done`.
  bool done = false;
  grpc::Status status;

 private:
  void OnReadInitialMetadataDone(bool ok) override {
    const std::lock_guard lock(link_.mutex_);
    if (!ok || link_.stage_ != Stage::kDialing) return;
    link_.stage_ = Stage::kUp;
    link_.changed_.notify_all();
  }

  void OnReadDone(bool ok) override {
    const std::lock_guard lock(link_.mutex_);
    if (ok) Cancel();  // A peer that answers breaks the protocol.
    link_.stage_ = Stage::kOver;
    RemoveHold();
    link_.changed_.notify_all();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(link_.mutex_);
    link_.writing_ = false;
    if (!ok || link_.stage_ != Stage::kUp) return;
    const std::size_t size = frame_.data().size();
    link_.status_.bytes_sent += size;
    link_.offset_ += size;
    if (frame_.more() == 0) {
      link_.status_.messages_sent += 1;
      link_.queue_bytes_ -= link_.offset_ + kQueueOverheadPerMessage;
      link_.queue_.pop_front();
      link_.offset_ = 0;
    }
    link_.WriteNext();
  }

  void OnDone(const grpc::Status& result) override {
    const std::lock_guard lock(link_.mutex_);
    status = result;
    done = true;
    link_.changed_.notify_all();
  }

  Link& link_;
  grpc::ClientContext context_;
  wire::Frame frame_;
  wire::Nothing nothing_;
};

Link::Link(Peer peer, Channel channel, const Limits& limits, Events events)
    : peer_(std::move(peer)), channel_(channel), limits_(limits), events_(std::move(events)) {}

Link::~Link() {
  RequestStop();
  Join();
}

void Link::Start() {
  CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
}

void Link::RequestStop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void Link::Join() {
  if (thread_.joinable()) thread_.join();
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
  WriteNext();
}

Link::Status Link::status() const {
  const std::lock_guard lock(mutex_);
  Status status = status_;
  status.up = stage_ == Stage::kUp;
  status.bytes_queued = queue_bytes_;
  return status;
}

void Link::WriteNext() {
  if (writing_ || queue_.empty()) return;
  const proto::Bytes& message = *queue_.front();
  const Cut cut = CutFrame(message.size(), offset_);
  writing_ = true;
  call_->Write(proto::ByteSpan(message).subspan(offset_, cut.size), cut.more);
}

void Link::Close() {
  stage_ = Stage::kOver;
  queue_.clear();
  queue_bytes_ = 0;
  offset_ = 0;
  call_->Cancel();
  changed_.notify_all();
}

void Link::Run() {
  auto pause = limits_.redial_ms_min;
  while (true) {
    const bool lasted = Dial();
    if (lasted) pause = limits_.redial_ms_min;
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, pause, [this] { return stopping_; })) return;
    pause = std::min(2 * pause, limits_.redial_ms_max);
  }
}

bool Link::Dial() {
  using Clock = std::chrono::steady_clock;
  const auto stub = wire::Peer::NewStub(Connect(peer_));
  Call call(*this);
  std::unique_lock lock(mutex_);
  if (stopping_) return false;
  stage_ = Stage::kDialing;
  reason_.clear();
  call_ = &call;
  lock.unlock();
  call.Start(*stub);

  lock.lock();
  const bool answered = changed_.wait_for(
      lock, limits_.dial_ms_max, [this] { return stage_ != Stage::kDialing || stopping_; });
  const bool accepted = stage_ == Stage::kUp && !stopping_;
  const auto since = Clock::now();
  if (accepted) {
    status_.connections += 1;
    status_.last_error.clear();
    lock.unlock();
    events_.connected();
    lock.lock();
    changed_.wait(lock, [this] { return stage_ != Stage::kUp || stopping_; });
  }
  if (!answered) reason_ = "The peer did not answer in time.";
  Close();
  changed_.wait(lock, [&call] { return call.done; });
  call_ = nullptr;
  stage_ = Stage::kDown;
  // An end that was not ours has its reason in gRPC's status.
  status_.last_error = reason_.empty() ? call.status.error_message() : reason_;
  lock.unlock();

  if (accepted) events_.disconnected();
  return accepted && Clock::now() - since > limits_.redial_ms_max;
}

}  // namespace node
