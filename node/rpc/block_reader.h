// Blocks and transactions as node/loop's LedgerMachine stores them: the keys, and readers that any
// thread may use.
//
//   h height   block header (heights are big-endian)
//   x height   the block's transactions
//   r height   the block's receipts, with their messages
//   f height   the n - f signatures on the header
//   t id       height and place of the transaction
//   e number   the link to that epoch
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "node/ledger/proven_block.h"
#include "node/store/interfaces.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"
#include "proto/wire/block.h"
#include "proto/wire/epoch.h"

namespace node {

struct StoredBlock {
  proto::BlockHeader header;
  BlockSignatures signatures;  // None while unproven.
  std::vector<proto::Bytes> transactions;
  std::vector<proto::Receipt> receipts;
};

struct TransactionPlace {
  std::uint64_t height = 0;
  std::uint32_t index = 0;
};

// What a block adds to the store. A transaction that two validators proposed is ordered twice: its
// place is where it was executed, or else where it first stood.
proto::Result<std::vector<KeyWrite>> BlockWrites(const KeyValueStore& store,
                                                 const StoredBlock& block);
KeyWrite HeaderWrite(const proto::BlockHeader& header);
KeyWrite SignaturesWrite(std::uint64_t height, const BlockSignatures& signatures);

// Nothing above the newest block, nor of blocks that a snapshot spared; kCorrupt when the store is
// damaged.
proto::Result<std::optional<StoredBlock>> ReadBlock(const KeyValueStore& store,
                                                    std::uint64_t height);
// The same as it is stored: header, transactions, receipts, signatures (empty while unproven).
using BlockParts = std::array<proto::Bytes, 4>;
proto::Result<std::optional<BlockParts>> ReadBlockParts(const KeyValueStore& store,
                                                        std::uint64_t height);
proto::Result<StoredBlock> DecodeBlockParts(const BlockParts& parts);
proto::Result<std::optional<proto::BlockHeader>> ReadHeader(const KeyValueStore& store,
                                                            std::uint64_t height);
// Of the block's header; none while unproven.
proto::Result<BlockSignatures> ReadSignatures(const KeyValueStore& store, std::uint64_t height);
proto::Result<std::optional<TransactionPlace>> FindTransaction(const KeyValueStore& store,
                                                               const proto::Digest& id);

KeyWrite LinkWrite(const proto::EpochLink& link);
// The link to the epoch, as bytes; nothing while it is not proved here.
proto::Result<std::optional<proto::Bytes>> ReadLink(const KeyValueStore& store,
                                                    std::uint64_t epoch);

// A run of blocks of one epoch for a node that does not take part in its consensus, or not any
// more: the last one is signed, so all of them are known to be the chain's.
inline constexpr std::size_t kPageBlocksMax = 256;
inline constexpr std::size_t kPageBytesMax = std::size_t{4} << 20;
struct BlockRun {
  struct Entry {
    proto::BlockHeader header;
    std::vector<proto::Bytes> transactions;
    BlockSignatures signatures;  // May be none but for the last.
  };
  std::vector<Entry> blocks;
  proto::Bytes link;  // To the epoch after, where it is known.
};
// The blocks from `height` on that are in its epoch and proved here.
proto::Result<BlockRun> ReadPage(const KeyValueStore& store, std::uint64_t height,
                                 std::uint64_t epoch);
proto::Bytes EncodePage(const BlockRun& page);
proto::Result<BlockRun> DecodePage(proto::ByteSpan bytes);

proto::Bytes EncodeSignatures(const BlockSignatures& signatures);
proto::Result<BlockSignatures> DecodeSignatures(proto::ByteSpan bytes);

}  // namespace node
