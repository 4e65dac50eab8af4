// SHA-256 streams that can be used again: what hash.cc and merkle.cc share.
#pragma once

#include <memory>

#include <openssl/evp.h>

#include "proto/base/bytes.h"

namespace proto {

class Sha256Stream {
 public:
  Sha256Stream();

  // Forgets what was added. A stream begins empty; after Finish it must begin anew.
  void Begin();
  // Begins a tagged hash: `tag` is the hash of the tag's name, added twice (one whole block).
  void Begin(const Digest& tag);
  void Add(ByteSpan bytes);
  Digest Finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace proto
