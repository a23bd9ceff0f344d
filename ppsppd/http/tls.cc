#include "http/tls.h"

#include <openssl/ssl.h>

#include <string>

#include "http/stream.h"

namespace ppspp::http {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Unexpected bad_file(const std::filesystem::path& path, const char* what, const error_code& error) {
  return fail(Errc::invalid_argument, path.string() + ": " + what + " (" + error.message() + ")");
}

}  // namespace

TlsIdentity::TlsIdentity(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsIdentity::~TlsIdentity() = default;

Result<std::shared_ptr<TlsIdentity>> TlsIdentity::load(const std::filesystem::path& certificate,
                                                       const std::filesystem::path& key) {
  auto impl = std::make_unique<Impl>();
  ssl::context& context = impl->context;
  error_code error;
  // RFC 7525 and 9325: nothing before TLS 1.2, no compression, no renegotiation.
  context.set_options(ssl::context::default_workarounds | ssl::context::no_compression |
                          ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                      error);
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  context.use_certificate_chain_file(certificate.string(), error);
  if (error) return bad_file(certificate, "holds no certificate in PEM that can be used", error);
  context.use_private_key_file(key.string(), ssl::context::pem, error);
  if (error) {
    return bad_file(key, "holds no private key in PEM that belongs to the certificate", error);
  }
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
    return fail(Errc::invalid_argument,
                key.string() + ": is not the key of the certificate in " + certificate.string());
  }
  return std::shared_ptr<TlsIdentity>(new TlsIdentity(std::move(impl)));
}

}  // namespace ppspp::http
