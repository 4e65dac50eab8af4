#include "node/net/link.h"

#include <algorithm>
#include <utility>

#include <poll.h>

#include "node/net/frame.h"
#include "proto/base/check.h"

namespace node {
namespace {

using Io = TlsStream::Io;

// Beyond it the link's thread writes.
constexpr std::size_t kSentAtOnceMax = 4 * kTlsRecordMax;
// Written under the mutex at a time; senders wait meanwhile.
constexpr int kChunksPerTurn = 16;

}  // namespace

Link::Link(Peer peer, Channel channel, const Limits& limits, Events events)
    : peer_(std::move(peer)), channel_(channel), limits_(limits), events_(std::move(events)) {
  chunk_.reserve(kTlsRecordMax);
}

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
  alarm_.Raise();
}

void Link::Join() {
  if (thread_.joinable()) thread_.join();
}

void Link::Send(std::shared_ptr<const proto::Bytes> message) {
  CHECK(message && message->size() <= limits_.of(channel_).message_bytes_max);
  const std::lock_guard lock(mutex_);
  if (!up_) return;
  queue_bytes_ += message->size() + kQueueOverheadPerMessage;
  queue_.push_back(std::move(message));
  if (queue_bytes_ > limits_.of(channel_).queue_bytes_max) {
    return End("The peer reads too slowly: its queue is full.");
  }
  if (awaits_room_) return;
  if (queue_bytes_ <= kSentAtOnceMax) WriteSome();
  if (up_ && (!queue_.empty() || chunk_offset_ < chunk_.size())) alarm_.Raise();
}

Link::Status Link::status() const {
  const std::lock_guard lock(mutex_);
  Status status = status_;
  status.up = up_;
  status.bytes_queued = queue_bytes_;
  return status;
}

// As much of the queue as one record carries: several small messages, or a part of a large one.
bool Link::FillChunk() {
  chunk_.clear();
  chunk_offset_ = 0;
  while (!queue_.empty() && chunk_.size() < kTlsRecordMax) {
    const proto::Bytes& message = *queue_.front();
    const auto length = LengthOf(message.size());
    while (offset_ < kLengthBytes && chunk_.size() < kTlsRecordMax) {
      chunk_.push_back(length[offset_++]);
    }
    if (offset_ < kLengthBytes) break;
    const auto left = proto::ByteSpan(message).subspan(offset_ - kLengthBytes);
    const auto part = left.first(std::min(left.size(), kTlsRecordMax - chunk_.size()));
    chunk_.insert(chunk_.end(), part.begin(), part.end());
    offset_ += part.size();
    status_.bytes_sent += part.size();
    if (part.size() < left.size()) break;
    status_.messages_sent += 1;
    queue_bytes_ -= message.size() + kQueueOverheadPerMessage;
    queue_.pop_front();
    offset_ = 0;
  }
  return !chunk_.empty();
}

void Link::WriteSome() {
  for (int i = 0; i < kChunksPerTurn; ++i) {
    if (chunk_offset_ == chunk_.size() && !FillChunk()) return;
    std::size_t count = 0;
    const Io io = stream_->Write(proto::ByteSpan(chunk_).subspan(chunk_offset_), count);
    if (io == Io::kClosed) return End("The stream ended: " + stream_->error() + ".");
    if (io != Io::kDone) return;
    chunk_offset_ += count;
  }
}

// The peer says nothing; that its side ends is how the end of the stream is noticed.
void Link::ReadNothing() {
  std::uint8_t byte = 0;
  std::size_t count = 0;
  const Io io = stream_->Read({&byte, 1}, count);
  if (io == Io::kDone) return End("The peer answers on a stream that has no answers.");
  if (io != Io::kClosed) return;
  End(stream_->error().empty() ? "The peer closed the stream."
                               : "The stream ended: " + stream_->error() + ".");
}

void Link::End(std::string reason) {
  if (!up_) return;
  up_ = false;
  status_.last_error = std::move(reason);
  queue_.clear();
  queue_bytes_ = 0;
  offset_ = 0;
  chunk_.clear();
  chunk_offset_ = 0;
  alarm_.Raise();
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

proto::Result<std::unique_ptr<TlsStream>> Link::Connect() {
  const Deadline deadline = std::chrono::steady_clock::now() + limits_.dial_ms_max;
  auto socket = node::Dial(peer_.address, alarm_, deadline);
  if (!socket) return tl::unexpected(socket.error());
  auto stream = std::make_unique<TlsStream>(peer_.context, socket->Release());
  const auto until_done = [&](auto step) -> proto::Result<> {
    for (Io io = step(); io != Io::kDone; io = step()) {
      if (io == Io::kClosed) {
        return proto::Fail(proto::ErrorCode::kUnavailable,
                           "The peer did not take the stream: " +
                               (stream->error().empty() ? "it hung up" : stream->error()) + ".");
      }
      const short events = io == Io::kWantsRead ? POLLIN : POLLOUT;
      if (auto waited = Await(stream->socket(), events, alarm_, deadline); !waited) return waited;
    }
    return {};
  };
  const auto byte = static_cast<std::uint8_t>(channel_);
  std::uint8_t answer = 0;
  std::size_t count = 0;
  auto done = until_done([&] { return stream->Handshake(); });
  if (done) done = until_done([&] { return stream->Write({&byte, 1}, count); });
  if (done) done = until_done([&] { return stream->Read({&answer, 1}, count); });
  if (!done) return tl::unexpected(done.error());
  return stream;
}

bool Link::Dial() {
  using Clock = std::chrono::steady_clock;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    alarm_.Clear();
  }
  auto stream = Connect();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    if (!stream) {
      status_.last_error = stream.error().message;
      return false;
    }
    stream_ = std::move(*stream);
    up_ = true;
    awaits_room_ = false;
    status_.connections += 1;
    status_.last_error.clear();
  }
  const auto since = Clock::now();
  events_.connected();
  Serve();
  {
    const std::lock_guard lock(mutex_);
    End("stopped");
    stream_.reset();
  }
  events_.disconnected();
  return Clock::now() - since > limits_.redial_ms_max;
}

void Link::Serve() {
  while (true) {
    short events = POLLIN;
    int socket = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || !up_) return;
      alarm_.Clear();
      WriteSome();
      if (up_) ReadNothing();
      if (!up_) return;
      awaits_room_ = !queue_.empty() || chunk_offset_ < chunk_.size();
      if (awaits_room_) events |= POLLOUT;
      socket = stream_->socket();
    }
    // Woken by the socket or the alarm; either way there is something to be looked at.
    (void)Await(socket, events, alarm_, kNoDeadline);
  }
}

}  // namespace node
