// SharedFiles: a validator's bulk files, of which those of models are kept once for a machine.
//
// A file named "file-" and its SHA-256 in hex is a model's: open to everybody, never changed, and
// large. These lie in a directory that any number of processes use, as the bytes alone. The hash is
// checked before a file takes its place, and once by every process that maps it; what is damaged
// after that is a wrong weight of this validator alone, whose openings the others then correct as
// they would any lie. A file found damaged is removed, so that it is fetched again. All other names
// are those of the store underneath.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "node/store/directory.h"
#include "node/store/interfaces.h"

namespace node {

inline constexpr std::string_view kModelFilePrefix = "file-";

class SharedFiles : public BulkStore {
 public:
  // The directory of models is made when it is absent.
  static proto::Result<std::unique_ptr<SharedFiles>> Open(const std::string& models,
                                                          std::unique_ptr<BulkStore> own);

  // A model's file into a directory of models, whoever uses it.
  static proto::Result<> Place(const std::string& models, proto::ByteSpan bytes);

  // kInvalidArgument when a model's file has another hash than its name says.
  proto::Result<> Put(std::string_view name, proto::ByteSpan bytes) override;
  proto::Result<proto::Bytes> Get(std::string_view name) const override;
  proto::Result<proto::SharedBytes> Map(std::string_view name) const override;
  bool Has(std::string_view name) const override;
  proto::Result<> Erase(std::string_view name) override;
  proto::Result<std::vector<std::string>> List(std::string_view prefix) const override;

 private:
  // What all that hold a file share.
  struct Mapping {
    proto::SharedBytes bytes;
  };

  SharedFiles(std::string path, Descriptor directory, std::unique_ptr<BulkStore> own)
      : path_(std::move(path)), directory_(std::move(directory)), own_(std::move(own)) {}
  static proto::Result<std::unique_ptr<SharedFiles>> OpenDirectory(const std::string& models,
                                                                   std::unique_ptr<BulkStore> own);
  proto::Result<> RemoveLeftovers() const;
  proto::Result<> PutModel(std::string_view name, proto::ByteSpan bytes);
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }

  const std::string path_;
  const Descriptor directory_;
  const std::unique_ptr<BulkStore> own_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::weak_ptr<const Mapping>, std::less<>> mapped_;
};

}  // namespace node
