// The DAG's messages as checked values, and their codecs.
//
// A decoder answers with a value whose lengths, counts and orders are within the limits below, or
// with an error; what needs the committee's keys (signatures, shares, quorums) is checked by
// consensus/broadcast. Header and Batch keep the bytes they were decoded from: those are hashed,
// signed, stored and passed on, never a re-encoding.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace proto::dag {

// Every message stays below the transport's frame of 1 MB.
inline constexpr std::size_t kTransactionBytesMax = 256 << 10;
inline constexpr std::size_t kBatchBytesMax = 512 << 10;  // Encoded.
inline constexpr std::size_t kBatchTransactionsMax = 16'384;
inline constexpr std::size_t kHeaderBytesMax = 64 << 10;
inline constexpr std::size_t kHeaderBatchesMax = 32;
inline constexpr std::size_t kHeaderPayloadBytesMax = 4 << 20;  // Its batches together.
inline constexpr std::size_t kHeaderWeakMax = 256;
inline constexpr std::size_t kHeaderBlockVotesMax = 32;
inline constexpr std::size_t kPartiesMax = 64;  // A round of certificates fits a message.
inline constexpr std::size_t kRequestItemsMax = 64;
inline constexpr std::size_t kRangeCertificatesMax = 512;
inline constexpr std::size_t kRangeBytesMax = 512 << 10;
inline constexpr std::size_t kMessageBytesMax = 1'000'000;

struct Reference {
  std::uint64_t round = 0;
  PartyId author{};
  Digest digest;

  auto operator<=>(const Reference&) const = default;
};

struct BatchReference {
  Digest digest;
  std::uint32_t size = 0;

  auto operator<=>(const BatchReference&) const = default;
};

// The author's signature on the block made from commit `index` (proto/checkpoint.h).
struct BlockVote {
  std::uint64_t index = 0;
  Digest block;
  Signature signature;

  auto operator<=>(const BlockVote&) const = default;
};

struct HeaderFields {
  Digest chain;
  std::uint64_t epoch = 0;
  std::uint64_t round = 0;
  PartyId author{};
  std::vector<BatchReference> batches;
  std::vector<Reference> parents;  // Strictly ascending by author.
  std::vector<Reference> weak;     // Strictly ascending by (round, author).
  std::optional<CoinShare> coin_share;
  std::vector<BlockVote> block_votes;
};

// A vertex that its author proposes. Made by SignHeader and by decoding alone.
struct Header : HeaderFields {
  Bytes body;     // The encoded fields.
  Digest digest;  // Of the body; names the vertex.
  Signature signature;

  Reference reference() const { return {round, author, digest}; }
};

struct Vote {
  std::uint64_t epoch = 0;
  std::uint64_t round = 0;
  PartyId author{};  // Of the header.
  Digest header;
  PartyId voter{};
  Signature signature;
};

// n - f votes for a header. The vertex is named by the header's digest, whichever votes are shown.
struct Certificate {
  Header header;
  std::vector<std::pair<PartyId, Signature>> votes;  // Strictly ascending by voter.
};

// Transactions on their way into a header; one at least, none empty.
struct Batch {
  Bytes bytes;  // As hashed.
  Digest digest;
  std::vector<Bytes> transactions;
};

struct Request {
  std::vector<Reference> certificates;
  std::vector<Digest> batches;
};

struct RangeRequest {
  std::uint64_t first_round = 0;
};

struct RangeAnswer {
  std::uint64_t first_round = 0;
  std::uint64_t next_round = 0;
  std::uint64_t oldest_round = 0;
  std::uint64_t highest_round = 0;
  std::vector<Certificate> certificates;
};

using Message = std::variant<Batch, Header, Vote, Certificate, Request, RangeRequest, RangeAnswer>;

Header SignHeader(HeaderFields fields, const SecretKey& key);
// What a vote signs. Round and author are inside, so that two votes conflict by themselves.
Digest VoteDigest(const Digest& chain, const Vote& vote);
// The name of a wave's coin.
Digest CoinName(const Digest& chain, std::uint64_t epoch, std::uint64_t wave);
// The encoded size that a transaction adds to a batch is below its length plus this.
inline constexpr std::size_t kTransactionOverheadMax = 6;
Batch MakeBatch(std::vector<Bytes> transactions);

Bytes Encode(const Message& message);
Result<Message> DecodeMessage(ByteSpan bytes);
Bytes EncodeCertificate(const Certificate& certificate);
Result<Certificate> DecodeCertificate(ByteSpan bytes);
Bytes EncodeHeader(const Header& header);
Result<Header> DecodeHeader(ByteSpan bytes);
Bytes EncodeVote(const Vote& vote);
Result<Vote> DecodeVote(ByteSpan bytes);
Result<Batch> DecodeBatch(ByteSpan bytes);

}  // namespace proto::dag
