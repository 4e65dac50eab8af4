#include "node/net/listener.h"

#include <algorithm>
#include <array>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include "node/net/frame.h"
#include "proto/base/check.h"

namespace node {
namespace {

using Io = TlsStream::Io;
using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;
using proto::Result;

constexpr std::size_t kReadBytes = 4 * kTlsRecordMax;
// Accepting failed for lack of something: a moment later.
constexpr std::chrono::milliseconds kAcceptPause{50};

}  // namespace

// Leaves the seat however the reading ends, an exception of memory included.
class Listener::Seated {
 public:
  Seated(Listener& listener, Seat& seat) : listener_(listener), seat_(seat) {}
  ~Seated() {
    const std::lock_guard lock(listener_.mutex_);
    seat_.reading = nullptr;
    listener_.left_.notify_all();
  }

 private:
  Listener& listener_;
  Seat& seat_;
};

Listener::Listener(TlsIdentity identity, std::map<PartyId, std::string> peers, const Limits& limits,
                   OnMessage on_message)
    : identity_(std::move(identity)), limits_(limits), on_message_(std::move(on_message)) {
  CHECK(!peers.empty());
  for (auto& [peer, pem] : peers) {
    parties_.push_back(peer);
    pinned_.push_back(std::move(pem));
    for (const Channel channel : kChannels) seats_.try_emplace({peer, channel});
  }
}

Listener::~Listener() {
  Stop();
}

Result<> Listener::Start(const std::string& address) {
  CHECK(!accepting_.joinable());
  auto context = TlsContext::Make(true, identity_, pinned_);
  if (!context) return tl::unexpected(context.error());
  context_ = std::move(*context);
  auto socket = Listen(address);
  if (!socket) {
    return Fail(ErrorCode::kUnavailable,
                "Cannot listen for peers on " + address +
                    ": stop what uses the port, or configure an address of this machine whose "
                    "port is free.");
  }
  socket_ = std::move(*socket);
  port_ = PortOf(socket_.get());
  accepting_ = std::thread([this] { AcceptAll(); });
  return {};
}

void Listener::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Visit& visit : visits_) Cut(visit);
    left_.notify_all();
  }
  alarm_.Raise();
  if (accepting_.joinable()) accepting_.join();
  std::list<Visit> visits;
  {
    const std::lock_guard lock(mutex_);
    visits.splice(visits.end(), visits_);
  }
  for (Visit& visit : visits) visit.thread.join();
}

Listener::Status Listener::status(PartyId peer, Channel channel) const {
  const std::lock_guard lock(mutex_);
  const Seat& seat = seats_.at({peer, channel});
  Status status = seat.status;
  status.up = seat.reading != nullptr;
  return status;
}

void Listener::AcceptAll() {
  while (Await(socket_.get(), POLLIN, alarm_, kNoDeadline)) {
    OwnedFd socket = Accept(socket_.get());
    if (socket.get() >= 0) {
      Welcome(std::move(socket));
    } else {
      std::unique_lock lock(mutex_);
      left_.wait_for(lock, kAcceptPause, [this] { return stopping_; });
    }
  }
}

void Listener::Welcome(OwnedFd socket) {
  auto stream = std::make_unique<TlsStream>(context_, socket.Release());
  std::list<Visit> gone;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    Reap(gone);
    if (std::ranges::count(visits_, true, &Visit::is_guest) >=
        static_cast<std::ptrdiff_t>(kGuestsMax)) {
      const auto oldest = std::ranges::find(visits_, true, &Visit::is_guest);
      Cut(*oldest);
      oldest->is_guest = false;  // It is on its way out.
    }
    Visit& visit = visits_.emplace_back();
    visit.stream = std::move(stream);
    visit.thread = std::thread([this, &visit] { Receive(visit); });
  }
  for (Visit& visit : gone) visit.thread.join();
}

void Listener::Cut(const Visit& visit) const {
  ::shutdown(visit.stream->socket(), SHUT_RDWR);
}

void Listener::Reap(std::list<Visit>& gone) {
  for (auto visit = visits_.begin(); visit != visits_.end();) {
    const auto next = std::next(visit);
    if (visit->is_over) gone.splice(gone.end(), visits_, visit);
    visit = next;
  }
}

bool Listener::Take(Seat& seat, Visit& visit) {
  std::unique_lock lock(mutex_);
  visit.is_guest = false;
  if (seat.awaited || stopping_) return false;
  if (seat.reading) {
    Cut(*seat.reading);
    seat.awaited = true;
    left_.wait(lock, [&seat] { return !seat.reading; });
    seat.awaited = false;
  }
  seat.reading = &visit;
  return !stopping_;
}

void Listener::Receive(Visit& visit) {
  TlsStream& stream = *visit.stream;
  if (const auto peer = Admit(stream)) {
    Seat& seat = seats_.at(*peer);
    if (Take(seat, visit)) {
      const Seated seated(*this, seat);
      const Result<> read = Read(stream, peer->first, peer->second, seat);
      const std::lock_guard lock(mutex_);
      if (!read) seat.status.last_error = read.error().message;
    }
  }
  const std::lock_guard lock(mutex_);
  Cut(visit);
  visit.is_guest = false;
  visit.is_over = true;
}

Result<std::pair<PartyId, Channel>> Listener::Admit(TlsStream& stream) {
  const Deadline deadline = std::chrono::steady_clock::now() + kGuestPatience;
  std::uint8_t channel = 0;
  std::size_t count = 0;
  bool shaken = false;
  while (true) {
    const Io io = shaken ? stream.Read({&channel, 1}, count) : stream.Handshake();
    if (io == Io::kDone && shaken) break;
    if (io == Io::kDone) {
      shaken = true;
    } else if (io == Io::kClosed) {
      return Fail(ErrorCode::kUnavailable, "the guest left");
    } else {
      const short events = io == Io::kWantsRead ? POLLIN : POLLOUT;
      if (auto waited = Await(stream.socket(), events, alarm_, deadline); !waited) {
        return tl::unexpected(waited.error());
      }
    }
  }
  if (channel >= kChannels.size()) return Fail(ErrorCode::kCorrupt, "there is no such channel");
  return std::pair(parties_[stream.peer()], static_cast<Channel>(channel));
}

Result<> Listener::Read(TlsStream& stream, PartyId peer, Channel channel, Seat& seat) {
  std::size_t count = 0;
  const std::uint8_t you_are_read = 1;
  if (stream.Write({&you_are_read, 1}, count) != Io::kDone) return {};
  Assembler assembler(limits_.of(channel).message_bytes_max);
  proto::Bytes buffer(kReadBytes);
  while (true) {
    const Io io = stream.Read(buffer, count);
    if (io == Io::kClosed) return {};
    if (io != Io::kDone) {
      if (!Await(stream.socket(), io == Io::kWantsRead ? POLLIN : POLLOUT, alarm_, kNoDeadline)) {
        return {};
      }
      continue;
    }
    for (auto bytes = proto::ByteSpan(buffer).first(count); !bytes.empty();) {
      auto message = assembler.Take(bytes);
      if (!message) return tl::unexpected(message.error());
      if (!message->has_value()) break;
      {
        const std::lock_guard lock(mutex_);
        seat.status.bytes_received += (*message)->size();
        seat.status.messages_received += 1;
      }
      on_message_(peer, channel, std::move(**message));
    }
  }
}

}  // namespace node
