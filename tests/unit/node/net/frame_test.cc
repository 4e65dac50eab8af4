#include "node/net/frame.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "node/net/limits.h"

namespace node {
namespace {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;

constexpr std::size_t kLimit = 4 * kMiB;

Bytes Framed(const Bytes& message) {
  const auto length = LengthOf(message.size());
  Bytes bytes(length.begin(), length.end());
  bytes.insert(bytes.end(), message.begin(), message.end());
  return bytes;
}

// The messages that arrive when `stream` comes in pieces of at most `size`.
std::vector<Bytes> Carry(Assembler& assembler, const Bytes& stream, std::size_t size) {
  std::vector<Bytes> messages;
  for (std::size_t at = 0; at < stream.size(); at += size) {
    auto piece = ByteSpan(stream).subspan(at, std::min(size, stream.size() - at));
    while (!piece.empty()) {
      auto message = assembler.Take(piece);
      EXPECT_TRUE(message.has_value());
      if (!message) return messages;
      if (message->has_value()) messages.push_back(std::move(**message));
    }
  }
  return messages;
}

TEST(Frame, MessagesOfEverySizeArriveWholeInPiecesOfEverySize) {
  std::vector<Bytes> sent;
  Bytes stream;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{0}, kMiB, kLimit - 1, kLimit}) {
    sent.emplace_back(size, static_cast<std::uint8_t>(size * 7 + 1));
    const Bytes framed = Framed(sent.back());
    stream.insert(stream.end(), framed.begin(), framed.end());
  }
  for (const std::size_t size : {std::size_t{1001}, kMiB, stream.size()}) {
    Assembler assembler(kLimit);
    EXPECT_TRUE(Carry(assembler, stream, size) == sent) << size;
  }
  Assembler assembler(kLimit);
  const Bytes small = Framed({1, 2, 3});
  EXPECT_EQ(Carry(assembler, small, 1), std::vector<Bytes>({{1, 2, 3}}));
}

TEST(Frame, RefusesAMessageBeyondTheLimitAtItsLength) {
  for (const std::uint64_t size :
       {std::uint64_t{kLimit + 1}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    Assembler assembler(kLimit);
    const auto length = LengthOf(size);
    auto bytes = ByteSpan(length);
    EXPECT_EQ(assembler.Take(bytes).error().code, ErrorCode::kExhausted) << size;
  }
}

// Whatever comes, and in whatever pieces: the messages are those of the stream read at once.
RC_GTEST_PROP(Frame, DoesNotDependOnThePieces, ()) {
  const auto sent = *rc::gen::container<std::vector<Bytes>>(
      rc::gen::container<Bytes>(rc::gen::arbitrary<std::uint8_t>()));
  Bytes stream;
  for (const Bytes& message : sent) {
    const Bytes framed = Framed(message);
    stream.insert(stream.end(), framed.begin(), framed.end());
  }
  Assembler assembler(kLimit);
  RC_ASSERT(Carry(assembler, stream, *rc::gen::inRange<std::size_t>(1, 40)) == sent);
}

// Nor does any stream break it: a message is within the limit, or the stream is over.
RC_GTEST_PROP(Frame, SurvivesAnyStream, ()) {
  Assembler assembler(300);
  const auto stream = *rc::gen::container<Bytes>(
      rc::gen::weightedElement<std::uint8_t>({{20, 0}, {2, 1}, {1, 2}, {1, 255}}));
  auto bytes = ByteSpan(stream);
  while (!bytes.empty()) {
    const auto message = assembler.Take(bytes);
    if (!message) return;
    if (message->has_value()) RC_ASSERT((*message)->size() <= 300u);
  }
}

}  // namespace
}  // namespace node
