#include "live_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>

#include "paced_file.h"
#include "pipe_input.h"
#include "udp_input.h"

namespace ppspp::tools {
namespace {

constexpr std::string_view kUdp = "udp://";
constexpr std::string_view kFile = "file:";

Unexpected bad_address(std::string_view text) {
  return fail(Errc::invalid_argument,
              fmt::format("'{}' is not an input: write udp://ADDR:PORT with a numeric address, as "
                          "in udp://239.1.2.3:5000 or udp://[::1]:5000",
                          text));
}

Unexpected system_error(const std::string& what) {
  const Errc code = errno == ENOENT ? Errc::not_found : Errc::io;
  return fail(code, fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

// Takes "%INTERFACE", by name or number, out of an address.
Result<std::uint32_t> take_interface(std::string& address) {
  const auto percent = address.find('%');
  if (percent == std::string::npos) return 0;
  const auto end = address.find_first_of("]:", percent);
  const std::string name = address.substr(percent + 1, end - percent - 1);
  address.erase(percent, end - percent);
  std::uint32_t index = 0;
  const auto last = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), last, index);
  if (error == std::errc{} && stop == last && index > 0) return index;
  index = if_nametoindex(name.c_str());
  if (index != 0) return index;
  return fail(Errc::invalid_argument,
              fmt::format("there is no network interface '{}': 'ip link' lists them", name));
}

Result<InputName> parse_udp(std::string_view text) {
  std::string address(text.substr(kUdp.size()));
  if (address.starts_with('@')) address.erase(0, 1);
  const auto interface = take_interface(address);
  if (!interface) return tl::unexpected(interface.error());
  const auto parsed = TransportAddress::parse(address);
  if (!parsed || parsed->port() == 0) return bad_address(text);
  InputName name;
  name.kind = InputName::Kind::udp;
  name.address = *parsed;
  name.interface = *interface;
  return name;
}

Result<std::unique_ptr<LiveInput>> open_file(boost::asio::io_context& io, FileDescriptor file,
                                             const std::string& name,
                                             std::optional<std::uint64_t> pace) {
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) return system_error(name);
  if (S_ISDIR(status.st_mode)) {
    return fail(Errc::invalid_argument, fmt::format("{} is a directory: name a file", name));
  }
  if (S_ISREG(status.st_mode)) {
    if (pace) return std::make_unique<PacedFile>(io, std::move(file), name, *pace);
    return fail(Errc::invalid_argument,
                fmt::format("{} is a file, which has no speed of its own: give --pace RATE, the "
                            "feed's bytes per second",
                            name));
  }
  if (pace) {
    return fail(Errc::invalid_argument,
                fmt::format("--pace is for files, and {} is none: leave it out", name));
  }
  if (isatty(file.get()) == 1) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is a terminal: pipe a feed into it, as in ffmpeg ... -f mpegts - | "
                            "ppspp-seed --live -",
                            name));
  }
  return PipeInput::open(io, std::move(file), name);
}

}  // namespace

bool InputName::is_multicast() const {
  return address.is_v4() ? (address.v4_address() >> 28) == 0xe : address.bytes()[0] == 0xff;
}

std::string InputName::to_string() const {
  switch (kind) {
    case Kind::standard_input:
      return "standard input";
    case Kind::file:
      return path.string();
    case Kind::udp:
      return fmt::format("{}{}", kUdp, address.to_string());
  }
  return {};
}

Result<InputName> parse_input(std::string_view text) {
  if (text.starts_with(kUdp)) return parse_udp(text);
  InputName name;
  if (text == "-") return name;
  name.kind = InputName::Kind::file;
  if (text.starts_with(kFile)) text.remove_prefix(kFile.size());
  if (text.starts_with("///")) text.remove_prefix(2);  // as in file:///path
  if (text.empty()) return fail(Errc::invalid_argument, "the input has no name: write file:PATH");
  name.path = text;
  return name;
}

Result<std::unique_ptr<LiveInput>> open_input(boost::asio::io_context& io, const InputName& name,
                                              std::optional<std::uint64_t> pace) {
  switch (name.kind) {
    case InputName::Kind::standard_input:
      return open_input(io, STDIN_FILENO, name.to_string(), pace);
    case InputName::Kind::udp:
      if (!pace) return UdpInput::open(io, name);
      return fail(Errc::invalid_argument,
                  "--pace is for files: a UDP feed comes at its own speed, leave it out");
    case InputName::Kind::file:
      break;
  }
  // A named pipe without a writer is not waited for here.
  FileDescriptor file(::open(name.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return system_error(name.to_string());
  return open_file(io, std::move(file), name.to_string(), pace);
}

Result<std::unique_ptr<LiveInput>> open_input(boost::asio::io_context& io, int fd,
                                              const std::string& name,
                                              std::optional<std::uint64_t> pace) {
  FileDescriptor copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return system_error(name);
  return open_file(io, std::move(copy), name, pace);
}

}  // namespace ppspp::tools
