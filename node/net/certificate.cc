#include "node/net/certificate.h"

#include <algorithm>
#include <array>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "proto/spec.h"

namespace node {
namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

constexpr std::size_t kNameMax = 63;
constexpr std::size_t kPemMax = 16384;
constexpr long kSecondsPerDay = 24L * 60 * 60;
constexpr char kNoEnd[] = "99991231235959Z";  // RFC 5280, 4.1.2.5: no well-defined expiration.

template <auto Function>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    Function(pointer);
  }
};
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using ConstraintsPtr = std::unique_ptr<BASIC_CONSTRAINTS, Free<BASIC_CONSTRAINTS_free>>;

// OpenSSL's errors wait in the thread's queue, where gRPC would take them for its own.
struct ForgetErrors {
  ~ForgetErrors() { ERR_clear_error(); }
};

bool NameIsValid(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
         });
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  return bio && PEM_write_bio_X509(bio.get(), certificate) == 1 ? TextOf(bio.get()) : "";
}

// The key file's text is a secret: the buffer it was written to is erased.
std::string ToPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio) return "";
  std::string text;
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1) {
    text = TextOf(bio.get());
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  if (size > 0) proto::SecureErase(data, static_cast<std::size_t>(size));
  return text;
}

X509Ptr FromPem(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

bool AddExtension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool Fill(X509* certificate, EVP_PKEY* key, const std::string& name) {
  std::array<std::uint8_t, 16> serial{};
  if (RAND_bytes(serial.data(), static_cast<int>(serial.size())) != 1) return false;
  serial[0] &= 0x7f;  // Positive.
  const std::unique_ptr<BIGNUM, Free<BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  X509_NAME* subject = X509_get_subject_name(certificate);
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) &&
         X509_set_version(certificate, X509_VERSION_3) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -kSecondsPerDay) &&
         ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), kNoEnd) == 1 &&
         X509_set_pubkey(certificate, key) == 1 &&
         X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1 &&
         AddExtension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         AddExtension(certificate, NID_subject_alt_name, "DNS:" + name) &&
         AddExtension(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
         AddExtension(certificate, NID_subject_key_identifier, "hash") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

}  // namespace

Result<TlsIdentity> MakeTlsIdentity(std::string_view name) {
  if (!NameIsValid(name)) {
    return Fail(ErrorCode::kInvalidArgument,
                "A certificate's name has 1 to 63 of the characters a-z, 0-9, '.' and '-'.");
  }
  const ForgetErrors forget;
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr certificate(X509_new());
  if (!key || !certificate || !Fill(certificate.get(), key.get(), std::string(name))) {
    return Fail(ErrorCode::kUnavailable, "OpenSSL could not make a TLS certificate.");
  }
  TlsIdentity identity{ToPem(certificate.get()), ToPem(key.get())};
  if (auto checked = CheckIdentity(identity); !checked) return tl::unexpected(checked.error());
  return identity;
}

bool Vouches(const proto::PublicKey& key, std::string_view certificate_pem,
             const proto::Signature& signature) {
  return proto::Verify(key, proto::CertificateDigest(certificate_pem), signature);
}

Result<std::string> CheckCertificate(std::string_view certificate_pem) {
  const auto refuse = [](std::string reason) {
    return Fail(ErrorCode::kInvalidArgument, "The TLS certificate " + std::move(reason) + ".");
  };
  const ForgetErrors forget;
  if (certificate_pem.size() > kPemMax) return refuse("is too long");
  const X509Ptr certificate = FromPem(certificate_pem);
  if (!certificate) return refuse("is not a certificate in PEM");
  if (ToPem(certificate.get()) != certificate_pem) {
    return refuse("is not exactly one certificate in canonical PEM");
  }
  if (X509_self_signed(certificate.get(), 1) != 1) return refuse("is not signed by its own key");
  int critical = 0;  // Below zero: absent, or there twice.
  const ConstraintsPtr constraints(static_cast<BASIC_CONSTRAINTS*>(
      X509_get_ext_d2i(certificate.get(), NID_basic_constraints, &critical, nullptr)));
  if (!constraints || constraints->ca != 0) return refuse("does not say CA:FALSE");
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, &critical, nullptr)));
  if (!names || sk_GENERAL_NAME_num(names.get()) != 1 ||
      sk_GENERAL_NAME_value(names.get(), 0)->type != GEN_DNS) {
    return refuse("does not have exactly one DNS name");
  }
  const ASN1_IA5STRING* text = sk_GENERAL_NAME_value(names.get(), 0)->d.dNSName;
  std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                   static_cast<std::size_t>(ASN1_STRING_length(text)));
  if (!NameIsValid(name)) return refuse("has a name with characters other than a-z, 0-9, '.', '-'");
  return name;
}

Result<> CheckIdentity(const TlsIdentity& identity) {
  if (auto name = CheckCertificate(identity.certificate_pem); !name) {
    return tl::unexpected(name.error());
  }
  const ForgetErrors forget;
  if (identity.key_pem.size() > kPemMax) {
    return Fail(ErrorCode::kInvalidArgument, "The TLS key is too long.");
  }
  const BioPtr bio(
      BIO_new_mem_buf(identity.key_pem.data(), static_cast<int>(identity.key_pem.size())));
  // An empty password, so that an encrypted key is refused rather than asked about on a terminal.
  char password[] = "";
  const KeyPtr key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, password) : nullptr);
  if (!key) return Fail(ErrorCode::kInvalidArgument, "The TLS key is not a private key in PEM.");
  if (X509_check_private_key(FromPem(identity.certificate_pem).get(), key.get()) != 1) {
    return Fail(ErrorCode::kInvalidArgument, "The TLS key does not belong to the certificate.");
  }
  return {};
}

}  // namespace node
