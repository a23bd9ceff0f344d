// The commands that go on until they are ended: watch and log --follow.
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <optional>

#include "ctl.h"
#include "ctl_tables.h"
#include "table.h"

namespace ppspp::tools {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::chrono::milliseconds kSettle(200);  // events that come together are one redraw

// For an answer: keys and signals are not seen meanwhile.
constexpr double kPatience = 5;  // seconds

asio::steady_timer::duration seconds(double value) {
  return std::chrono::duration_cast<asio::steady_timer::duration>(
      std::chrono::duration<double>(value));
}

// Keys come at once and unseen, until it goes.
class RawKeyboard {
 public:
  RawKeyboard() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    is_set_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  ~RawKeyboard() {
    if (is_set_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawKeyboard(const RawKeyboard&) = delete;
  RawKeyboard& operator=(const RawKeyboard&) = delete;

 private:
  termios before_ = {};
  bool is_set_ = false;
};

// What both have in common: the stream of events, signals, and how it ends.
class Follower {
 public:
  explicit Follower(const CtlCommand& command)
      : command_(command),
        client_(command.socket, ControlClient::Seconds(std::min(command.timeout, kPatience))),
        signals_(io_, SIGINT, SIGTERM) {}
  virtual ~Follower() = default;
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  int run() {
    signals_.async_wait([this](const error_code& error, int) {
      if (!error) end(kDone);
    });
    begin();
    io_.run();
    finish();
    return exit_code_;
  }

 protected:
  virtual void begin() { open(); }
  virtual void finish() {}
  virtual void on_open() {}
  virtual void on_event(const control::Event& event, const std::string& json) = 0;
  virtual void on_end(const Error& error) { end(fail_with(error)); }

  void open() {
    stream_.emplace(io_, command_.socket,
                    EventStream::Handlers{
                        [this] { on_open(); },
                        [this](const auto& event, const auto& json) { on_event(event, json); },
                        [this](const Error& error) { on_end(error); }});
  }

  void end(int code) {
    exit_code_ = code;
    io_.stop();
  }

  void print(const std::string& line) {
    if (!print_line(kCtl, line)) end(kFailed);
  }

  const CtlCommand& command_;
  ControlClient client_;
  asio::io_context io_;
  asio::signal_set signals_;
  std::optional<EventStream> stream_;
  int exit_code_ = kDone;
};

// Where there is no terminal, the events themselves.
class EventPrinter final : public Follower {
 public:
  using Follower::Follower;

 private:
  void on_event(const control::Event& event, const std::string& json) override {
    print(command_.json ? json : event_line(event));
  }
};

class LogPrinter final : public Follower {
 public:
  LogPrinter(const CtlCommand& command, std::string target)
      : Follower(command), target_(std::move(target)) {}

 private:
  // Only when nothing is missed any more is the log so far asked for. What came meanwhile is in it
  // as well, and shown once.
  void on_open() override {
    const auto log = client_.get_as<std::vector<control::LogEntry>>(target_);
    if (!log) return end(fail_with(log.error()));
    shown_ = *log;
    for (const control::LogEntry& entry : *log) {
      if (!command_.json) print(log_line(entry));
      if (command_.json) {
        print(control::to_json(control::Event{
            .type = "log", .message = entry.message, .level = entry.level, .at = entry.at}));
      }
    }
  }

  void on_event(const control::Event& event, const std::string& json) override {
    if (event.type == "lagging") {
      return end(fail_with({Errc::io, "the log comes faster than it is read here: ask again"}));
    }
    if (event.type != "log") return;
    const control::LogEntry entry{event.at, event.level, event.message};
    const auto before = std::find(shown_.begin(), shown_.end(), entry);
    if (before != shown_.end()) return void(shown_.erase(before));
    print(command_.json ? json : log_line(entry));
  }

  std::string target_;
  std::vector<control::LogEntry> shown_;
};

class Watcher final : public Follower {
 public:
  Watcher(const CtlCommand& command, const ctl::Watch& watch)
      : Follower(command),
        watch_(watch),
        timer_(io_),
        settle_(io_),
        resized_(io_, SIGWINCH),
        keys_(io_, ::dup(STDIN_FILENO)) {}

 private:
  void begin() override {
    if (const auto info = client_.get("/v1"); !info) return end(fail_with(info.error()));
    std::fputs("\x1b[?1049h\x1b[?25l", stdout);  // another screen, no cursor
    on_screen_ = true;
    open();
    refresh();
    tick();
    read_key();
    wait_for_size();
  }

  void finish() override {
    if (!on_screen_) return;
    std::fputs("\x1b[?25h\x1b[?1049l", stdout);
    std::fflush(stdout);
  }

  void on_open() override { is_open_ = true; }

  void on_event(const control::Event&, const std::string&) override {
    if (std::exchange(is_settling_, true)) return;
    settle_.expires_after(kSettle);
    settle_.async_wait([this](const error_code& error) {
      if (error) return;
      is_settling_ = false;
      refresh();
    });
  }

  // The daemon may be on its way back: the timer tries again.
  void on_end(const Error& error) override {
    is_open_ = false;
    trouble_ = error.context;
    draw();
  }

  void tick() {
    timer_.expires_after(seconds(watch_.interval));
    timer_.async_wait([this](const error_code& error) {
      if (error) return;
      refresh();
      if (!is_open_ && trouble_.empty()) open();
      tick();
    });
  }

  void read_key() {
    keys_.async_read_some(asio::buffer(&key_, 1), [this](const error_code& error, std::size_t) {
      if (error) return;
      if (key_ == 'q' || key_ == 'Q') return end(kDone);
      read_key();
    });
  }

  void wait_for_size() {
    resized_.async_wait([this](const error_code& error, int) {
      if (error) return;
      draw();
      wait_for_size();
    });
  }

  void refresh() {
    control::SwarmQuery query = watch_.query;
    query.limit = 1'000;
    const auto info = client_.get_as<control::DaemonInfo>("/v1");
    auto page = client_.get_as<control::SwarmPage>("/v1/swarms?" + control::to_query_string(query));
    if (!info || !page) {
      trouble_ = (info ? page.error() : info.error()).context;
      return draw();
    }
    trouble_.clear();
    info_ = *info;
    page_ = *std::move(page);
    // Those that do something first.
    const auto rate = [](const control::SwarmInfo& swarm) {
      return static_cast<double>(swarm.upload_rate) + static_cast<double>(swarm.download_rate);
    };
    std::stable_sort(page_.swarms.begin(), page_.swarms.end(),
                     [&](const auto& a, const auto& b) { return rate(a) > rate(b); });
    draw();
  }

  void draw() {
    const std::size_t width = output_width();
    const std::size_t height = std::max<std::size_t>(output_height(), 5);
    Lines lines = {clip(head(), width), ""};
    const std::size_t room = height - 4;
    std::vector<control::SwarmInfo> shown = page_.swarms;
    if (shown.size() > room) shown.resize(room);
    const Lines table = swarm_table(shown, width);
    for (const std::string& line : table) lines.push_back(clip(line, width));
    if (shown.size() < page_.total) {
      lines.push_back(fmt::format("and {} more", page_.total - shown.size()));
    }
    std::string text = "\x1b[H";
    for (std::size_t i = 0; i < std::min(lines.size(), height); ++i) {
      text += fmt::format("{}{}\x1b[K", i == 0 ? "" : "\r\n", lines[i]);
    }
    text += "\x1b[J";
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (std::fflush(stdout) != 0) end(kFailed);
  }

  std::string head() const {
    if (!trouble_.empty()) return printable(trouble_);
    return fmt::format("ppsppd {}: {} swarms, {} peers, up {}, down {}   (q ends)",
                       printable(info_.version), page_.total, info_.channels,
                       format_rate(info_.upload_rate), format_rate(info_.download_rate));
  }

  const ctl::Watch& watch_;
  asio::steady_timer timer_;
  asio::steady_timer settle_;
  asio::signal_set resized_;
  asio::posix::stream_descriptor keys_;
  RawKeyboard keyboard_;
  char key_ = 0;
  bool on_screen_ = false;
  bool is_open_ = false;
  bool is_settling_ = false;
  std::string trouble_;
  control::DaemonInfo info_;
  control::SwarmPage page_;
};

}  // namespace

int run_watch(const CtlCommand& command, const ctl::Watch& watch) {
  const bool on_terminal = !command.json && isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1;
  return on_terminal ? Watcher(command, watch).run() : EventPrinter(command).run();
}

int run_log(const CtlCommand& command, const ctl::Log& log) {
  const std::string target = fmt::format("/v1/log?lines={}", log.lines);
  if (log.follow) return LogPrinter(command, target).run();
  const ControlClient client(command.socket, ControlClient::Seconds(command.timeout));
  const auto body = client.get(target);
  const auto entries = ControlClient::as<std::vector<control::LogEntry>>(body);
  if (!entries) return fail_with(entries.error());
  if (command.json) return print_line(kCtl, *body) ? kDone : kFailed;
  for (const control::LogEntry& entry : *entries) {
    if (!print_line(kCtl, log_line(entry))) return kFailed;
  }
  return kDone;
}

}  // namespace ppspp::tools
