#include "node/net/tls.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"

namespace node {
namespace {

using proto::ErrorCode;
using proto::Fail;

constexpr char kSuites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr std::size_t kReadBuffer = 4 * (kTlsRecordMax + 256);  // Several records a system call.
constexpr long kCertificateBytesMax = 16384;

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a peer that hangs up would end the process.
int WriteSocket(BIO* bio, const char* data, int size) {
  const int socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const auto sent = ::send(socket, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int ReadSocket(BIO* bio, char* data, int size) {
  const int socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const auto got = ::recv(socket, data, static_cast<std::size_t>(size), 0);
  BIO_clear_retry_flags(bio);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

long Control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    CHECK(made != nullptr);
    BIO_meth_set_write(made, WriteSocket);
    BIO_meth_set_read(made, ReadSocket);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

std::string LastError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

template <class T, auto Free>
struct Owned {
  struct Deleter {
    void operator()(T* pointer) const { Free(pointer); }
  };
  using Ptr = std::unique_ptr<T, Deleter>;
};
using BioPtr = Owned<BIO, BIO_free_all>::Ptr;
using X509Ptr = Owned<X509, X509_free>::Ptr;
using KeyPtr = Owned<EVP_PKEY, EVP_PKEY_free>::Ptr;

X509Ptr ReadCertificate(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

KeyPtr ReadKey(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char password[] = "";
  return KeyPtr(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, password) : nullptr);
}

std::string ToDer(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return {};
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  return i2d_X509(certificate, &out) == size ? der : std::string();
}

}  // namespace

proto::Result<std::shared_ptr<const TlsContext>> TlsContext::Make(
    bool is_server, const TlsIdentity& identity, const std::vector<std::string>& pinned_pem) {
  std::shared_ptr<TlsContext> made(new TlsContext());
  made->is_server_ = is_server;
  for (std::size_t i = 0; i < pinned_pem.size(); ++i) {
    const X509Ptr certificate = ReadCertificate(pinned_pem[i]);
    CHECK(certificate && made->pinned_.emplace(ToDer(certificate.get()), i).second);
  }
  SSL_CTX* const context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
  made->context_ = context;
  const X509Ptr certificate = ReadCertificate(identity.certificate_pem);
  const KeyPtr key = ReadKey(identity.key_pem);
  if (context == nullptr || !certificate || !key ||
      SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, kSuites) != 1 ||
      SSL_CTX_use_certificate(context, certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_set_num_tickets(context, 0) != 1) {
    return Fail(ErrorCode::kUnavailable, "OpenSSL cannot use the TLS certificate: " + LastError());
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadBuffer);
  SSL_CTX_set_max_cert_list(context, kCertificateBytesMax);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, Verify, made.get());
  return std::shared_ptr<const TlsContext>(std::move(made));
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

// In place of a chain: the certificate itself is pinned, and of today.
int TlsContext::Verify(X509_STORE_CTX* store, void* context) {
  const auto& pinned = static_cast<const TlsContext*>(context)->pinned_;
  X509* const shown = X509_STORE_CTX_get0_cert(store);
  if (shown == nullptr || !pinned.contains(ToDer(shown))) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
  }
  if (X509_cmp_current_time(X509_get0_notBefore(shown)) >= 0 ||
      X509_cmp_current_time(X509_get0_notAfter(shown)) <= 0) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_HAS_EXPIRED);
    return 0;
  }
  return 1;
}

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, int socket)
    : context_(std::move(context)), socket_(socket), ssl_(SSL_new(context_->context_)) {
  CHECK(ssl_ != nullptr && ::fcntl(socket_, F_SETFL, O_NONBLOCK) == 0);
  BIO* const bio = BIO_new(SocketMethod());
  CHECK(bio != nullptr);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket_)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  if (context_->is_server_) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
  }
}

TlsStream::~TlsStream() {
  SSL_free(ssl_);
  ::close(socket_);
}

TlsStream::Io TlsStream::After(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_NONE:
      return Io::kDone;
    case SSL_ERROR_WANT_READ:
      return Io::kWantsRead;
    case SSL_ERROR_WANT_WRITE:
      return Io::kWantsWrite;
    case SSL_ERROR_SSL:
      error_ = LastError();
      return Io::kClosed;
    case SSL_ERROR_SYSCALL:
      error_ = errno == 0 ? "the stream was cut" : std::strerror(errno);
      return Io::kClosed;
    default:
      return Io::kClosed;
  }
}

TlsStream::Io TlsStream::Handshake() {
  ERR_clear_error();
  errno = 0;
  return After(SSL_do_handshake(ssl_));
}

std::size_t TlsStream::peer() const {
  X509* const shown = SSL_get0_peer_certificate(ssl_);
  CHECK(shown != nullptr);
  return context_->pinned_.at(ToDer(shown));
}

TlsStream::Io TlsStream::Read(std::span<std::uint8_t> into, std::size_t& count) {
  ERR_clear_error();
  errno = 0;
  return After(SSL_read_ex(ssl_, into.data(), into.size(), &count));
}

TlsStream::Io TlsStream::Write(proto::ByteSpan bytes, std::size_t& count) {
  ERR_clear_error();
  errno = 0;
  return After(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count));
}

}  // namespace node
