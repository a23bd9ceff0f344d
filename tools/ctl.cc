#include "ctl.h"

#include <fmt/format.h>

#include <algorithm>
#include <clocale>
#include <limits>

#include "base/overloaded.h"
#include "ctl_tables.h"
#include "metadata/percent_coding.h"
#include "table.h"

namespace ppspp::tools {
namespace {

constexpr std::size_t kPage = 1'000;  // the largest that the daemon gives

int print(const Lines& lines) {
  for (const std::string& line : lines) {
    if (!print_line(kCtl, line)) return kFailed;
  }
  return kDone;
}

// The answer as it came, on one line.
int print_json(const std::string& json) {
  return json.empty() || print_line(kCtl, json) ? kDone : kFailed;
}

std::uint32_t narrow(std::uint64_t value) {  // the daemon refuses what is that large
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

class Ctl {
 public:
  explicit Ctl(const CtlCommand& command)
      : command_(command), client_(command.socket, ControlClient::Seconds(command.timeout)) {}

  int run() {
    return std::visit(overloaded{
                          [&](const ctl::Watch& watch) { return run_watch(command_, watch); },
                          [&](const ctl::Log& log) { return run_log(command_, log); },
                          [&](const auto& action) { return act(action); },
                      },
                      command_.action);
  }

 private:
  // An answer, as JSON or for people.
  template <typename T, typename ToLines>
  int show(const Result<std::string>& body, ToLines to_lines) {
    const auto value = ControlClient::as<T>(body);
    if (!value) return fail_with(value.error());
    return command_.json ? print_json(*body) : print(to_lines(*value));
  }

  int show_swarm(const Result<std::string>& body) {
    return show<control::SwarmInfo>(body, [](const auto& s) { return Lines{swarm_line(s)}; });
  }

  int done(const Result<std::string>& body) { return body ? kDone : fail_with(body.error()); }

  // All of them are tried; the first failure is the exit code.
  template <typename Do>
  static int for_each(const std::vector<std::string>& names, Do act_on) {
    int code = kDone;
    for (const std::string& name : names) {
      const int one = act_on(name);
      if (code == kDone) code = one;
    }
    return code;
  }

  // References were checked when the command line was read.
  static std::string target(std::string_view ref, std::string_view rest = "") {
    return swarm_target(ref, rest).value_or("");
  }

  int act(const ctl::Info&) {
    return show<control::DaemonInfo>(client_.get("/v1"), daemon_details);
  }
  int act(const ctl::Add& add) {
    return show_swarm(client_.post("/v1/swarms", control::to_json(add.request)));
  }
  int act(const ctl::Remove& remove) {
    const char* const query = remove.delete_content ? "?delete_content=true" : "";
    return for_each(remove.refs,
                    [&](const auto& ref) { return done(client_.remove(target(ref, query))); });
  }
  int act(const ctl::Pause& pause) {
    return for_each(pause.refs, [&](const auto& ref) {
      return show_swarm(client_.post(target(ref, "/pause"), ""));
    });
  }
  int act(const ctl::Resume& resume) {
    return for_each(resume.refs, [&](const auto& ref) {
      return show_swarm(client_.post(target(ref, "/resume"), ""));
    });
  }
  int act(const ctl::Set& set) {
    return show_swarm(client_.patch(target(set.ref), control::to_json(set.change)));
  }
  int act(const ctl::List& list);
  int act(const ctl::Show& wanted);
  int act(const ctl::Peers& wanted);
  int act(const ctl::AddPeer& add) {
    return for_each(add.addresses, [&](const auto& address) {
      return done(
          client_.post(target(add.ref, "/peers"), control::to_json(control::PeerRequest{address})));
    });
  }
  int act(const ctl::Limit& limit);
  int limit_swarm(const ctl::Limit& limit);
  int act(const ctl::Ban& ban) {
    return show<control::BanInfo>(
        client_.post("/v1/bans", control::to_json(ban.request)),
        [](const auto& made) { return Lines{fmt::format("banned {}", printable(made.network))}; });
  }
  int act(const ctl::Unban& unban) {
    return for_each(unban.networks, [&](const auto& network) {
      return done(client_.remove("/v1/bans/" + encode_segment(network)));
    });
  }
  int act(const ctl::Bans&) {
    return show<std::vector<control::BanInfo>>(client_.get("/v1/bans"), [](const auto& bans) {
      return bans.empty() ? Lines{"nobody is banned"} : ban_table(bans, output_width());
    });
  }
  int act(const ctl::Accounts& accounts);

  const CtlCommand& command_;
  ControlClient client_;
};

int Ctl::act(const ctl::List& list) {
  const auto page = list_all(client_, list.query);
  if (!page) return fail_with(page.error());
  if (command_.json) return print_json(control::to_json(*page));
  if (page->swarms.empty()) return print({"there are no such swarms"});
  return print(swarm_table(page->swarms, output_width()));
}

int Ctl::act(const ctl::Show& wanted) {
  bool first = true;
  return for_each(wanted.refs, [&](const auto& ref) {
    if (!command_.json && !std::exchange(first, false) && !print_line(kCtl, ""))
      return int{kFailed};
    return show<control::SwarmInfo>(client_.get(target(ref)), swarm_details);
  });
}

int Ctl::act(const ctl::Peers& wanted) {
  const auto body = client_.get(target(wanted.ref, "/peers"));
  const auto peers = ControlClient::as<std::vector<control::PeerInfo>>(body);
  if (!peers) return fail_with(peers.error());
  if (command_.json) return print_json(*body);
  const auto swarm = client_.get_as<control::SwarmInfo>(target(wanted.ref));
  if (!swarm) return fail_with(swarm.error());
  const auto map =
      client_.get_as<control::Availability>(target(wanted.ref, "/availability?buckets=100"));
  if (!map) return fail_with(map.error());
  const bool utf8 = output_is_utf8();
  Lines lines = {availability_line(*swarm, *map, output_width(), utf8)};
  const Lines table =
      peers->empty() ? Lines{"no peer is connected"} : peer_table(*peers, output_width(), utf8);
  lines.insert(lines.end(), table.begin(), table.end());
  return print(lines);
}

int Ctl::act(const ctl::Limit& limit) {
  if (!limit.ref.empty()) return limit_swarm(limit);
  const control::LimitsChange change{limit.upload, limit.download, limit.upload_per_peer,
                                     limit.download_per_peer};
  const auto as_lines = [](const control::GlobalLimits& limits) { return limits_list(limits); };
  const bool asked = change == control::LimitsChange{};
  return show<control::GlobalLimits>(
      asked ? client_.get("/v1/limits") : client_.patch("/v1/limits", control::to_json(change)),
      as_lines);
}

// A change replaces all limits of a swarm, so those that stay are sent as they are.
int Ctl::limit_swarm(const ctl::Limit& limit) {
  const auto swarm = client_.get_as<control::SwarmInfo>(target(limit.ref));
  if (!swarm) return fail_with(swarm.error());
  control::Limits limits = swarm->limits;
  const auto set = [](auto& member, const LimitChange& change) {
    if (change && !*change) member.reset();
    if (change && *change) member = **change;
  };
  const auto set_small = [](std::optional<std::uint32_t>& member, const LimitChange& change) {
    if (change && !*change) member.reset();
    if (change && *change) member = narrow(**change);
  };
  set(limits.upload, limit.upload);
  set(limits.download, limit.download);
  set(limits.upload_per_peer, limit.upload_per_peer);
  set(limits.download_per_peer, limit.download_per_peer);
  set_small(limits.weight, limit.weight);
  set_small(limits.max_channels, limit.max_channels);
  control::SwarmInfo changed = *swarm;
  if (limits != swarm->limits) {
    control::ChangeRequest request;
    request.limits = limits;
    const auto answer = ControlClient::as<control::SwarmInfo>(
        client_.patch(target(limit.ref), control::to_json(request)));
    if (!answer) return fail_with(answer.error());
    changed = *answer;
  }
  if (command_.json) return print_json(control::to_json(changed.limits));
  return print(limits_list(changed.limits));
}

int Ctl::act(const ctl::Accounts& accounts) {
  control::AccountPage all;
  for (std::string after;;) {
    std::string query;
    const auto add = [&](std::string_view name, const std::string& value) {
      if (value.empty()) return;
      query += fmt::format("{}{}={}", query.empty() ? '?' : '&', name, percent_encode(value));
    };
    add("from", accounts.from);
    add("to", accounts.to);
    add("label", accounts.label);
    add("after", after);
    auto page = client_.get_as<control::AccountPage>("/v1/accounts" + query);
    if (!page) return fail_with(page.error());
    const auto place = [](const control::AccountEntry& e) { return std::tie(e.day, e.number); };
    // A page that is not further on would be asked for without end.
    const bool further =
        !page->accounts.empty() &&
        (all.accounts.empty() || place(page->accounts.back()) > place(all.accounts.back()));
    std::move(page->accounts.begin(), page->accounts.end(), std::back_inserter(all.accounts));
    if (!page->next || !further) break;
    after = *page->next;
  }
  if (command_.json) return print_json(control::to_json(all));
  return print(account_table(all.accounts, output_width()));
}

}  // namespace

int fail_with(const Error& error) {
  complain(kCtl, printable(error.context));
  return error.code == Errc::timed_out ? int{kTimedOut} : exit_code_of(error);
}

Result<control::SwarmPage> list_all(const ControlClient& client, control::SwarmQuery query) {
  control::SwarmPage all;
  query.limit = kPage;
  for (;;) {
    const std::string text = control::to_query_string(query);
    auto page = client.get_as<control::SwarmPage>("/v1/swarms?" + text);
    if (!page) return page;
    all.total = page->total;
    std::move(page->swarms.begin(), page->swarms.end(), std::back_inserter(all.swarms));
    // A next page that is not further on would be asked for without end.
    if (!page->next || *page->next <= query.after) return all;
    query.after = *page->next;
  }
}

int run_ctl(const CtlCommand& command) {
  std::setlocale(LC_CTYPE, "");
  return Ctl(command).run();
}

}  // namespace ppspp::tools
