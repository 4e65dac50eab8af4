// The ledger's records as JSON, for the interface and the command line. Hashes, keys and signatures
// are lower-case hexadecimal; parties are their names in the genesis document.
#pragma once

#include <nlohmann/json.hpp>

#include "node/inference/effort.h"
#include "node/rpc/block_reader.h"
#include "node/sync/status.h"
#include "proto/spec.h"
#include "proto/wire/block.h"
#include "proto/wire/ledger.h"
#include "proto/wire/records.h"

namespace node {

// By party.
using Names = std::vector<std::string>;
Names ValidatorNames(const proto::EpochRecord& epoch);
Names ComputingNames(const proto::EpochRecord& epoch);

nlohmann::json ToJson(const proto::BlockHeader& header);
nlohmann::json ToJson(const proto::EpochRecord& epoch);
nlohmann::json ToJson(const proto::ValidatorRecord& record);
nlohmann::json ToJson(const proto::Receipt& receipt);
nlohmann::json ToJson(const proto::Account& account);
nlohmann::json ToJson(const proto::Manifest& manifest);
nlohmann::json ToJson(const Effort& effort);
nlohmann::json ToJson(const SyncStatus& sync);
nlohmann::json ToJson(const Names& names, const BlockSignatures& signatures);
nlohmann::json ToJson(const Names& names, const proto::RequestRecord& record);
nlohmann::json ToJson(const Names& names, const proto::AttemptRecord& record);
// Kind, sender and what it says, without bulk.
nlohmann::json Summary(const proto::EpochRecord& epoch, const proto::Transaction& transaction);

}  // namespace node
