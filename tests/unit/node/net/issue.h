// Certificates that an honest member never makes: issued by another's key, able to issue, expired.
#pragma once

#include <string>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "node/net/certificate.h"

namespace node::test {

struct Request {
  std::string name;
  std::string constraints = "critical,CA:FALSE";  // Empty: none.
  std::string alternative_names = {};             // Empty: DNS:name.
  long valid_seconds = 3600;
  const TlsIdentity* issuer = nullptr;  // Null: itself.
};

inline std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// The certificate, followed by its issuer's where there is one, and its key.
inline TlsIdentity Issue(const Request& request) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 77);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
  X509_gmtime_adj(X509_getm_notAfter(certificate), request.valid_seconds);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(request.name.c_str()), -1, -1,
                             0);
  EVP_PKEY* signer = key;
  X509* issuer = certificate;
  if (request.issuer) {
    BIO* pem = BIO_new_mem_buf(request.issuer->key_pem.data(), -1);
    signer = PEM_read_bio_PrivateKey(pem, nullptr, nullptr, nullptr);
    BIO_free(pem);
    pem = BIO_new_mem_buf(request.issuer->certificate_pem.data(), -1);
    issuer = PEM_read_bio_X509(pem, nullptr, nullptr, nullptr);
    BIO_free(pem);
  }
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  const auto extend = [&](int kind, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (!request.constraints.empty()) extend(NID_basic_constraints, request.constraints);
  extend(NID_subject_alt_name,
         request.alternative_names.empty() ? "DNS:" + request.name : request.alternative_names);
  X509_sign(certificate, signer, EVP_sha256());

  TlsIdentity identity;
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  identity.certificate_pem = Text(out);
  if (request.issuer) identity.certificate_pem += request.issuer->certificate_pem;
  out = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  identity.key_pem = Text(out);
  if (request.issuer) {
    EVP_PKEY_free(signer);
    X509_free(issuer);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

}  // namespace node::test
