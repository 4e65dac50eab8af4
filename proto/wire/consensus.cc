#include "proto/wire/consensus.h"

#include <algorithm>
#include <string>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/consensus.pb.h"
#include "proto/crypto/hash.h"

namespace proto::dag {

namespace pb = waxseal::consensus;

namespace {

constexpr std::size_t kCoinShareBytes = sizeof(CoinShare::point) + sizeof(CoinShare::proof);
constexpr std::size_t kCertificateBytesMax = kHeaderBytesMax + 128 * kPartiesMax;

std::string Text(ByteSpan bytes) {
  return std::string(AsText(bytes));
}

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kInvalidArgument, what);
}

template <class P>
Bytes Serialize(const P& message) {
  Bytes bytes(message.ByteSizeLong());
  CHECK(message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

template <class P>
bool Parse(ByteSpan bytes, std::size_t bytes_max, P& message) {
  return bytes.size() <= bytes_max &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// Readers of the small parts. Each answers false on what breaks a limit.

bool Read(const std::string& bytes, Digest& out) {
  const auto digest = Digest::From(AsBytes(bytes));
  if (digest) out = *digest;
  return digest.has_value();
}

bool Read(const std::string& bytes, Signature& out) {
  const auto signature = Signature::From(AsBytes(bytes));
  if (signature) out = *signature;
  return signature.has_value();
}

bool Read(std::uint32_t number, PartyId& out) {
  if (number >= kPartiesMax) return false;
  out = static_cast<PartyId>(number);
  return true;
}

bool Read(const pb::Reference& message, Reference& out) {
  out.round = message.round();
  return Read(message.author(), out.author) && Read(message.digest(), out.digest);
}

bool Read(const pb::BatchReference& message, BatchReference& out) {
  out.size = message.size();
  return out.size <= kBatchBytesMax && Read(message.digest(), out.digest);
}

bool Read(const pb::BlockVote& message, BlockVote& out) {
  out.index = message.index();
  return Read(message.block(), out.block) && Read(message.signature(), out.signature);
}

bool Read(const std::string& bytes, std::optional<CoinShare>& out) {
  if (bytes.empty()) return true;
  if (bytes.size() != kCoinShareBytes) return false;
  CoinShare share;
  const auto middle = bytes.begin() + sizeof(share.point);
  std::copy(bytes.begin(), middle, share.point.begin());
  std::copy(middle, bytes.end(), share.proof.begin());
  out = share;
  return true;
}

template <class Messages, class T>
bool ReadAll(const Messages& messages, std::size_t count_max, std::vector<T>& out) {
  if (static_cast<std::size_t>(messages.size()) > count_max) return false;
  out.reserve(static_cast<std::size_t>(messages.size()));
  for (const auto& message : messages) {
    if (!Read(message, out.emplace_back())) return false;
  }
  return true;
}

bool Read(const pb::HeaderBody& message, HeaderFields& out) {
  out.epoch = message.epoch();
  out.round = message.round();
  return Read(message.chain(), out.chain) && Read(message.author(), out.author) &&
         ReadAll(message.batches(), kHeaderBatchesMax, out.batches) &&
         ReadAll(message.parents(), kPartiesMax, out.parents) &&
         ReadAll(message.weak(), kHeaderWeakMax, out.weak) &&
         Read(message.coin_share(), out.coin_share) &&
         ReadAll(message.block_votes(), kHeaderBlockVotesMax, out.block_votes);
}

void Write(const Reference& reference, pb::Reference& out) {
  out.set_round(reference.round);
  out.set_author(Index(reference.author));
  out.set_digest(Text(reference.digest.span()));
}

Bytes EncodeBody(const HeaderFields& fields) {
  pb::HeaderBody body;
  body.set_chain(Text(fields.chain.span()));
  body.set_epoch(fields.epoch);
  body.set_round(fields.round);
  body.set_author(Index(fields.author));
  for (const auto& batch : fields.batches) {
    pb::BatchReference& out = *body.add_batches();
    out.set_digest(Text(batch.digest.span()));
    out.set_size(batch.size);
  }
  for (const auto& parent : fields.parents) Write(parent, *body.add_parents());
  for (const auto& weak : fields.weak) Write(weak, *body.add_weak());
  if (fields.coin_share) {
    body.set_coin_share(Text(fields.coin_share->point) + Text(fields.coin_share->proof));
  }
  for (const auto& vote : fields.block_votes) {
    pb::BlockVote& out = *body.add_block_votes();
    out.set_index(vote.index);
    out.set_block(Text(vote.block.span()));
    out.set_signature(Text(vote.signature.span()));
  }
  return Serialize(body);
}

Digest HeaderDigest(ByteSpan body) {
  return Hash("waxseal/header", {body});
}

void Write(const Header& header, pb::Header& out) {
  out.set_body(Text(header.body));
  out.set_signature(Text(header.signature.span()));
}

Result<Header> ReadHeader(const pb::Header& message) {
  pb::HeaderBody body;
  Header header;
  if (!Parse(AsBytes(message.body()), kHeaderBytesMax, body) || !Read(body, header) ||
      !Read(message.signature(), header.signature)) {
    return Malformed("a header is malformed or beyond a limit");
  }
  const ByteSpan bytes = AsBytes(message.body());
  header.body.assign(bytes.begin(), bytes.end());
  header.digest = HeaderDigest(header.body);
  return header;
}

void Write(const Certificate& certificate, pb::Certificate& out) {
  Write(certificate.header, *out.mutable_header());
  for (const auto& [voter, signature] : certificate.votes) {
    pb::VoteSignature& vote = *out.add_votes();
    vote.set_voter(Index(voter));
    vote.set_signature(Text(signature.span()));
  }
}

Result<Certificate> ReadCertificate(const pb::Certificate& message) {
  auto header = ReadHeader(message.header());
  if (!header) return tl::unexpected(header.error());
  if (static_cast<std::size_t>(message.votes_size()) > kPartiesMax) {
    return Malformed("a certificate has too many votes");
  }
  Certificate certificate{std::move(*header), {}};
  for (const auto& vote : message.votes()) {
    auto& [voter, signature] = certificate.votes.emplace_back();
    if (!Read(vote.voter(), voter) || !Read(vote.signature(), signature)) {
      return Malformed("a certificate's vote is malformed");
    }
  }
  return certificate;
}

void Write(const Vote& vote, pb::Vote& out) {
  out.set_epoch(vote.epoch);
  out.set_round(vote.round);
  out.set_author(Index(vote.author));
  out.set_header(Text(vote.header.span()));
  out.set_voter(Index(vote.voter));
  out.set_signature(Text(vote.signature.span()));
}

Result<Vote> ReadVote(const pb::Vote& message) {
  Vote vote;
  vote.epoch = message.epoch();
  vote.round = message.round();
  if (!Read(message.author(), vote.author) || !Read(message.header(), vote.header) ||
      !Read(message.voter(), vote.voter) || !Read(message.signature(), vote.signature)) {
    return Malformed("a vote is malformed");
  }
  return vote;
}

Result<Message> ReadRequest(const pb::Request& message) {
  Request request;
  if (!ReadAll(message.certificates(), kRequestItemsMax, request.certificates) ||
      !ReadAll(message.batches(), kRequestItemsMax, request.batches)) {
    return Malformed("a request is malformed or asks for too much");
  }
  return request;
}

Result<Message> ReadRangeAnswer(const pb::RangeAnswer& message) {
  RangeAnswer answer{message.first_round(),
                     message.next_round(),
                     message.oldest_round(),
                     message.highest_round(),
                     {}};
  if (static_cast<std::size_t>(message.certificates_size()) > kRangeCertificatesMax) {
    return Malformed("a range has too many certificates");
  }
  for (const auto& item : message.certificates()) {
    auto certificate = ReadCertificate(item);
    if (!certificate) return tl::unexpected(certificate.error());
    answer.certificates.push_back(std::move(*certificate));
  }
  return answer;
}

// Lifts a decoder's answer into the variant of all messages.
template <class T>
Result<Message> Lift(Result<T> value) {
  if (!value) return tl::unexpected(value.error());
  return Message(std::move(*value));
}

}  // namespace

Header SignHeader(HeaderFields fields, const SecretKey& key) {
  Header header{std::move(fields), {}, {}, {}};
  header.body = EncodeBody(header);
  CHECK(header.body.size() <= kHeaderBytesMax);
  header.digest = HeaderDigest(header.body);
  header.signature = key.Sign(header.digest);
  return header;
}

Digest VoteDigest(const Digest& chain, const Vote& vote) {
  return Hasher("waxseal/vote")
      .Add(chain.span())
      .Add(vote.epoch)
      .Add(vote.round)
      .Add(std::uint64_t{Index(vote.author)})
      .Add(vote.header.span())
      .Finish();
}

Digest CoinName(const Digest& chain, std::uint64_t epoch, std::uint64_t wave) {
  return Hasher("waxseal/wave-coin").Add(chain.span()).Add(epoch).Add(wave).Finish();
}

// A batch is most of what travels, and of the simplest form there is: one repeated field. So its
// protobuf is written and read here, without a copy for each transaction on the way.

namespace {

constexpr std::uint8_t kBatchTag = 0x0a;  // Field 1, bytes.

void PutVarint(Bytes& out, std::size_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
  out.push_back(static_cast<std::uint8_t>(value));
}

// The transaction at the front, taken off; empty when what is there is none.
ByteSpan TakeTransaction(ByteSpan& bytes) {
  constexpr std::size_t kVarintMax = 3;  // Enough for kTransactionBytesMax.
  if (bytes.front() != kBatchTag) return {};
  std::size_t size = 0;
  for (std::size_t i = 0; i < kVarintMax; ++i) {
    if (i + 1 >= bytes.size()) return {};
    const std::uint8_t byte = bytes[i + 1];
    size |= std::size_t{byte & 0x7fu} << (7 * i);
    if (byte & 0x80) continue;
    if (byte == 0 && i > 0) return {};  // Not the shortest form.
    const std::size_t begin = i + 2;
    if (size > kTransactionBytesMax || size > bytes.size() - begin) return {};
    const ByteSpan transaction = bytes.subspan(begin, size);
    bytes = bytes.subspan(begin + size);
    return transaction;
  }
  return {};
}

}  // namespace

Batch MakeBatch(std::vector<Bytes> transactions) {
  std::size_t size = 0;
  for (const auto& transaction : transactions) size += transaction.size() + kTransactionOverheadMax;
  Batch batch;
  batch.bytes.reserve(size);
  for (const auto& transaction : transactions) {
    batch.bytes.push_back(kBatchTag);
    PutVarint(batch.bytes, transaction.size());
    batch.bytes.insert(batch.bytes.end(), transaction.begin(), transaction.end());
  }
  CHECK(batch.bytes.size() <= kBatchBytesMax);
  batch.digest = Hash("waxseal/batch", {batch.bytes});
  batch.transactions = std::move(transactions);
  return batch;
}

Result<Batch> DecodeBatch(ByteSpan bytes) {
  if (bytes.size() > kBatchBytesMax) return Malformed("a batch is too large");
  Batch batch;
  for (ByteSpan rest = bytes; !rest.empty();) {
    const ByteSpan transaction = TakeTransaction(rest);
    if (transaction.empty()) return Malformed("a transaction is malformed, empty or too large");
    if (batch.transactions.size() == kBatchTransactionsMax) {
      return Malformed("a batch has too many transactions");
    }
    batch.transactions.emplace_back(transaction.begin(), transaction.end());
  }
  if (batch.transactions.empty()) return Malformed("a batch has no transaction");
  batch.bytes.assign(bytes.begin(), bytes.end());
  batch.digest = Hash("waxseal/batch", {bytes});
  return batch;
}

Bytes EncodeHeader(const Header& header) {
  pb::Header message;
  Write(header, message);
  return Serialize(message);
}

Result<Header> DecodeHeader(ByteSpan bytes) {
  pb::Header message;
  if (!Parse(bytes, kCertificateBytesMax, message)) return Malformed("a header is malformed");
  return ReadHeader(message);
}

Bytes EncodeVote(const Vote& vote) {
  pb::Vote message;
  Write(vote, message);
  return Serialize(message);
}

Result<Vote> DecodeVote(ByteSpan bytes) {
  pb::Vote message;
  if (!Parse(bytes, kHeaderBytesMax, message)) return Malformed("a vote is malformed");
  return ReadVote(message);
}

Bytes EncodeCertificate(const Certificate& certificate) {
  pb::Certificate message;
  Write(certificate, message);
  return Serialize(message);
}

Result<Certificate> DecodeCertificate(ByteSpan bytes) {
  pb::Certificate message;
  if (!Parse(bytes, kCertificateBytesMax, message)) return Malformed("a certificate is malformed");
  return ReadCertificate(message);
}

Bytes Encode(const Message& message) {
  pb::Message out;
  std::visit(
      Overloaded{
          [&](const Batch& batch) { out.set_batch(Text(batch.bytes)); },
          [&](const Header& header) { Write(header, *out.mutable_header()); },
          [&](const Vote& vote) { Write(vote, *out.mutable_vote()); },
          [&](const Certificate& certificate) { Write(certificate, *out.mutable_certificate()); },
          [&](const Request& request) {
            pb::Request& to = *out.mutable_request();
            for (const auto& item : request.certificates) Write(item, *to.add_certificates());
            for (const auto& item : request.batches) to.add_batches(Text(item.span()));
          },
          [&](const RangeRequest& request) {
            out.mutable_range_request()->set_first_round(request.first_round);
          },
          [&](const RangeAnswer& answer) {
            pb::RangeAnswer& to = *out.mutable_range_answer();
            to.set_first_round(answer.first_round);
            to.set_next_round(answer.next_round);
            to.set_oldest_round(answer.oldest_round);
            to.set_highest_round(answer.highest_round);
            for (const auto& item : answer.certificates) Write(item, *to.add_certificates());
          },
      },
      message);
  return Serialize(out);
}

Result<Message> DecodeMessage(ByteSpan bytes) {
  pb::Message message;
  if (!Parse(bytes, kMessageBytesMax, message)) {
    return Malformed("a consensus message is malformed or too large");
  }
  switch (message.kind_case()) {
    case pb::Message::kBatch:
      return Lift(DecodeBatch(AsBytes(message.batch())));
    case pb::Message::kHeader:
      return Lift(ReadHeader(message.header()));
    case pb::Message::kVote:
      return Lift(ReadVote(message.vote()));
    case pb::Message::kCertificate:
      return Lift(ReadCertificate(message.certificate()));
    case pb::Message::kRequest:
      return ReadRequest(message.request());
    case pb::Message::kRangeRequest:
      return RangeRequest{message.range_request().first_round()};
    case pb::Message::kRangeAnswer:
      return ReadRangeAnswer(message.range_answer());
    case pb::Message::KIND_NOT_SET:
      break;
  }
  return Malformed("a consensus message is of no known kind");
}

}  // namespace proto::dag
