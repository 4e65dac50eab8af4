// From a Hugging Face directory to what the network serves: plans compiled for each length, the
// tokenizer, and the manifest that goes onto the ledger.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mpc/model/float_model.h"
#include "mpc/model/tokenizer.h"
#include "node/cli/client.h"
#include "proto/wire/ledger.h"

namespace node {

// A model in clear, as its vendor has it.
struct LocalModel {
  std::string name;
  mpc::FloatModel reference;
  mpc::Tokenizer tokenizer;
  proto::Bytes vocabulary;
  std::vector<std::string> calibration;  // Sentences; may be empty.
};

struct Package {
  proto::Manifest manifest;
  std::vector<proto::Bytes> files;  // In the manifest's order.
  struct Cost {
    std::uint32_t tokens = 0;
    std::size_t openings = 0;
    std::size_t rounds = 0;
    double leakage_bits = 0;
  };
  std::vector<Cost> costs;  // By bucket.
};

struct PackageOptions {
  std::string name;                          // Empty: the directory's last part.
  std::vector<std::uint32_t> tokens = {32};  // Buckets, ascending.
  std::uint64_t price = 1000;
  std::uint32_t pool_target = 2;
};

// Reads config.json, model.safetensors, vocab.txt and, where it is, calibration.txt. `vocabulary`:
// another path of vocab.txt; empty: the directory's. Errors name the file and what is wrong.
proto::Result<LocalModel> ReadModel(const std::string& directory, const std::string& vocabulary,
                                    const std::string& calibration);
proto::Result<Package> MakePackage(const LocalModel& model, const proto::Committee& committee,
                                   const proto::PublicKey& owner, const PackageOptions& options,
                                   const Progress& progress);
// Registers the model, hands its files to f + 1 validators and waits until it is active. The
// model's id.
proto::Result<proto::Digest> RegisterPackage(const Client& client, const Package& package,
                                             const Progress& progress);

}  // namespace node
