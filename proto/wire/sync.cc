#include "proto/wire/sync.h"

#include "proto/wire/fields.h"

namespace proto::sync {

// The kinds on the wire; those of the DAG are in consensus.proto.
enum Kind : std::uint8_t {
  kWordQuery = 60,
  kWordAnswer,
  kSnapshotQuery,
  kSnapshotOffer,
  kChunkQuery,
  kChunkAnswer,
};

void Fields(auto& io, Of<WordQuery> auto& query) {
  io(query.epoch, query.nonce);
}

void Fields(auto& io, Of<WordAnswer> auto& answer) {
  io(answer.epoch, answer.nonce);
  io.Sized(answer.header, 2 * dag::kHeaderBytesMax);
}

void Fields(auto&, Of<SnapshotQuery> auto&) {}

void Fields(auto& io, Of<SnapshotOffer> auto& offer) {
  auto& header = offer.header;
  io(header.height, header.parent, header.round, header.commit_index, header.leader,
     header.transactions_root, header.receipts_root, header.state_root, header.committee_hash,
     header.next_committee_hash);
  io.List(offer.signatures, kSignaturesMax,
          [&](auto& entry) { io(entry.first, entry.second.bytes); });
  io(offer.depth);
}

void Fields(auto& io, Of<ChunkQuery> auto& query) {
  io(query.height, query.depth, query.index);
}

void Fields(auto& io, Of<ChunkAnswer> auto& answer) {
  Fields(io, answer.query);
  io.Choice(answer.outcome, ChunkOutcome::kGone);
  io.List(answer.chunk.entries, kChunkEntriesMax, [&](auto& entry) {
    io.Sized(entry.first, kStateKeyBytesMax);
    io.Sized(entry.second, kChunkBytesMax);
  });
  io.List(answer.chunk.siblings, kStatePathMax);
  io.Optional(answer.chunk.leaf, [&](auto& leaf) { io(leaf.path, leaf.value_hash); });
}

namespace {

template <class T>
constexpr std::uint8_t KindOf() {
  if constexpr (std::is_same_v<T, WordQuery>) return kWordQuery;
  if constexpr (std::is_same_v<T, WordAnswer>) return kWordAnswer;
  if constexpr (std::is_same_v<T, SnapshotQuery>) return kSnapshotQuery;
  if constexpr (std::is_same_v<T, SnapshotOffer>) return kSnapshotOffer;
  if constexpr (std::is_same_v<T, ChunkQuery>) return kChunkQuery;
  return kChunkAnswer;
}

template <class T>
Result<Message> Read(ByteSpan bytes, std::string_view what) {
  auto value = DecodeFields<T>(bytes, what);
  if (!value) return tl::unexpected(value.error());
  return Message(*std::move(value));
}

bool IsPlace(const ChunkQuery& query) {
  return query.depth <= kChunkDepthMax && query.index >> query.depth == 0;
}

}  // namespace

Bytes Encode(const Message& message) {
  return std::visit(
      [](const auto& value) {
        Bytes out = {0, KindOf<std::decay_t<decltype(value)>>()};
        const Bytes fields = EncodeFields(value);
        out.insert(out.end(), fields.begin(), fields.end());
        return out;
      },
      message);
}

Result<Message> DecodeMessage(ByteSpan bytes) {
  const auto malformed = [](const char* what) { return Fail(ErrorCode::kInvalidArgument, what); };
  if (bytes.size() < 2 || !IsSync(bytes)) return malformed("this is no message about snapshots");
  if (bytes.size() > kMessageBytesMax) return malformed("a message is beyond its limit");
  const ByteSpan fields = bytes.subspan(2);
  Result<Message> message = malformed("an unknown kind of message");
  switch (bytes[1]) {
    case kWordQuery:
      return Read<WordQuery>(fields, "question for a newest header");
    case kWordAnswer:
      return Read<WordAnswer>(fields, "answer with a newest header");
    case kSnapshotQuery:
      return Read<SnapshotQuery>(fields, "question for a snapshot");
    case kSnapshotOffer:
      message = Read<SnapshotOffer>(fields, "offer of a snapshot");
      if (message && std::get<SnapshotOffer>(*message).depth > kChunkDepthMax) {
        return malformed("a snapshot is not cut that deep");
      }
      return message;
    case kChunkQuery:
      message = Read<ChunkQuery>(fields, "question for a chunk");
      if (message && !IsPlace(std::get<ChunkQuery>(*message))) {
        return malformed("there is no such chunk");
      }
      return message;
    case kChunkAnswer:
      message = Read<ChunkAnswer>(fields, "chunk");
      if (message && !IsPlace(std::get<ChunkAnswer>(*message).query)) {
        return malformed("there is no such chunk");
      }
      return message;
    default:
      return message;
  }
}

}  // namespace proto::sync
