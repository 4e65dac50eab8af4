// A TLS 1.3 stream between two validators, over a socket that never blocks.
//
// Both ends show a certificate, and each believes exactly the certificates it was given, compared
// byte for byte: there is no authority, no name and no chain to be looked at. That the other end
// owns the certificate's key is what the handshake proves, anew for each stream: sessions are not
// resumed. A certificate out of its dates is refused.
//
// Cost: a handshake two signatures on P-256 and two checks; a message one record, one system call
// and 22 bytes for each 16 KiB.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include <openssl/types.h>

#include "node/net/certificate.h"
#include "proto/base/bytes.h"

namespace node {

inline constexpr std::size_t kTlsRecordMax = 16384;  // Bytes of the stream in one.

class TlsContext {
 public:
  // Passed by CheckIdentity and CheckCertificate. They make what OpenSSL needs once for all
  // streams; errors are its own.
  static proto::Result<std::shared_ptr<const TlsContext>> Make(
      bool is_server, const TlsIdentity& identity, const std::vector<std::string>& pinned_pem);
  ~TlsContext();

 private:
  friend class TlsStream;

  TlsContext() = default;
  static int Verify(X509_STORE_CTX* store, void* context);

  bool is_server_ = false;
  SSL_CTX* context_ = nullptr;
  std::map<std::string, std::size_t> pinned_;  // DER, and its place in the list.
};

// One thread at a time.
class TlsStream {
 public:
  enum class Io { kDone, kWantsRead, kWantsWrite, kClosed };

  // Owns the socket, which is made non-blocking.
  TlsStream(std::shared_ptr<const TlsContext> context, int socket);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  int socket() const { return socket_; }
  Io Handshake();
  // After it: the place of the other end's certificate among the pinned ones.
  std::size_t peer() const;
  // At least one byte when kDone.
  Io Read(std::span<std::uint8_t> into, std::size_t& count);
  // What is offered again after kWants... must begin with the same bytes.
  Io Write(proto::ByteSpan bytes, std::size_t& count);
  // After kClosed; empty when the other end closed in good order.
  const std::string& error() const { return error_; }

 private:
  Io After(int result);

  const std::shared_ptr<const TlsContext> context_;
  const int socket_;
  SSL* ssl_ = nullptr;
  std::string error_;
};

}  // namespace node
