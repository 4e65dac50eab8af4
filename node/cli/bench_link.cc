#include "node/cli/bench_link.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/check.h"

namespace node {
namespace {

constexpr std::size_t kMessageBytesMax = std::size_t{1} << 30;
constexpr int kSocketBytes = 4 << 20;

}  // namespace

std::uint64_t MonotonicNs() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(time.tv_nsec);
}

BenchLink::BenchLink(int fd) : fd_(fd), header_(kHeaderBytes) {
  CHECK(fcntl(fd_, F_SETFL, O_NONBLOCK) == 0);
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof kSocketBytes);
}

BenchLink::BenchLink(BenchLink&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      out_(std::move(other.out_)),
      header_(std::move(other.header_)),
      have_(other.have_),
      incoming_(std::move(other.incoming_)),
      in_(std::move(other.in_)) {}

BenchLink::~BenchLink() {
  if (fd_ >= 0) close(fd_);
}

void BenchLink::Send(std::uint8_t channel, std::shared_ptr<const proto::Bytes> body,
                     std::uint64_t delay_ns) {
  proto::Bytes header;
  proto::PutU64(header, body->size());
  proto::PutU64(header, delay_ns == 0 ? 0 : MonotonicNs() + delay_ns);
  header.push_back(channel);
  out_.push_back({std::move(header), std::move(body)});
}

bool BenchLink::Write() {
  while (!out_.empty()) {
    Outgoing& next = out_.front();
    const proto::Bytes& body = *next.body;
    iovec parts[2];
    int count = 0;
    if (next.sent < kHeaderBytes) {
      parts[count++] = {next.header.data() + next.sent, kHeaderBytes - next.sent};
    }
    const std::size_t from = next.sent > kHeaderBytes ? next.sent - kHeaderBytes : 0;
    if (from < body.size()) {
      parts[count++] = {const_cast<std::uint8_t*>(body.data()) + from, body.size() - from};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<std::size_t>(count);
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    next.sent += static_cast<std::size_t>(sent);
    if (next.sent < kHeaderBytes + body.size()) return true;
    out_.pop_front();
  }
  return true;
}

bool BenchLink::Read() {
  for (;;) {
    const bool in_header = have_ < kHeaderBytes;
    std::uint8_t* const to =
        in_header ? header_.data() + have_ : incoming_.body.data() + (have_ - kHeaderBytes);
    const std::size_t room =
        (in_header ? kHeaderBytes : kHeaderBytes + incoming_.body.size()) - have_;
    if (room > 0) {
      const ssize_t got = recv(fd_, to, room, 0);
      if (got == 0) return false;
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      have_ += static_cast<std::size_t>(got);
    }
    if (in_header && have_ == kHeaderBytes) {
      const proto::ByteSpan header(header_);
      const std::uint64_t size = proto::GetU64(header.first(8));
      CHECK(size <= kMessageBytesMax);
      incoming_.due_ns = proto::GetU64(header.subspan(8).first(8));
      incoming_.channel = header.back();
      incoming_.body.resize(size);
    }
    if (have_ >= kHeaderBytes && have_ == kHeaderBytes + incoming_.body.size()) {
      in_.push_back(std::move(incoming_));
      incoming_ = {};
      have_ = 0;
    }
  }
}

bool BenchLink::Pump() {
  return Write() && Read();
}

std::optional<BenchLink::Incoming> BenchLink::Take() {
  if (in_.empty() || (in_.front().due_ns != 0 && in_.front().due_ns > MonotonicNs())) return {};
  Incoming message = std::move(in_.front());
  in_.pop_front();
  return message;
}

std::optional<std::uint64_t> BenchLink::next_due_ns() const {
  if (in_.empty()) return {};
  return in_.front().due_ns;
}

}  // namespace node
