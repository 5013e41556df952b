#!/usr/bin/env escript
%% lager itself, asked by test_lager.py. Commands on stdin, one a line, each an Erlang term with a dot; an answer line for each.
%%     {event, Severity, Metadata, Message}.   keeps an event; answers its number
%%     {trace, Filter, Level}.                 which of the events a trace lets through, as numbers; or error
%%     {levels, Text}.                         the mask, or error
%%     {format, Format, N}.                    event N as lager's default formatter writes it, in hexadecimal; or error
%% The module is a lager backend too: what reaches it with its own destination was selected.
-mode(compile).
-export([main/1, init/1, handle_event/2, handle_call/2, handle_info/2, terminate/2, code_change/3]).

init([{owner, Owner}]) -> {ok, Owner}.
handle_event({log, Message}, Owner) ->
    case lager_util:is_loggable(Message, {mask, 0}, ?MODULE) of
        true -> Owner ! {selected, iolist_to_binary(lager_msg:message(Message))};
        false -> ok
    end,
    {ok, Owner};
handle_event(_, Owner) -> {ok, Owner}.
%% Not none: lager takes a backend of level none away with its last trace.
handle_call(get_loglevel, Owner) -> {ok, {mask, 255}, Owner};
handle_call(_, Owner) -> {ok, ok, Owner}.
handle_info(_, Owner) -> {ok, Owner}.
terminate(_, _) -> ok.
code_change(_, Owner, _) -> {ok, Owner}.

main(_) ->
    ok = application:load(lager),
    [application:set_env(lager, K, V) || {K, V} <- [{handlers, [{?MODULE, [{owner, self()}]}]}, {error_logger_redirect, false},
        {crash_log, undefined}, {async_threshold, undefined}, {killer_hwm, undefined}, {log_root, "/nonexistent"}]],
    {ok, _} = application:ensure_all_started(lager),
    loop([]).

loop(Events) ->
    case io:read("") of
        eof -> ok;
        {ok, {event, Severity, Metadata, Message}} ->
            io:format("~b~n", [length(Events)]),
            loop(Events ++ [{Severity, Metadata, Message}]);
        {ok, Command} ->
            io:format("~s~n", [try answer(Command, Events) catch _:_ -> "error" end]),
            loop(Events)
    end.

answer({trace, Filter, Level}, Events) ->
    case lager:trace(?MODULE, Filter, Level) of
        {ok, Trace} ->
            [lager:log(S, M, integer_to_list(N)) || {N, {S, M, _}} <- lists:zip(lists:seq(0, length(Events) - 1), Events)],
            _ = gen_event:sync_notify(lager_event, done),
            lager:stop_trace(Trace),
            lists:join(" ", [binary_to_list(B) || B <- lists:sort(fun by_number/2, collect())]);
        {error, _} -> "error"
    end;
answer({levels, Text}, _) ->
    {mask, Mask} = lager_util:config_to_mask(list_to_atom(Text)),
    integer_to_list(Mask);
answer({format, Format, N}, Events) ->
    {Severity, Metadata, Message} = lists:nth(N + 1, Events),
    M = lager_msg:new(Message, {1700, 100000, 123456}, Severity, Metadata, []),
    Bytes = iolist_to_binary(lager_default_formatter:format(M, Format)),
    [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bytes].

by_number(A, B) -> binary_to_integer(A) =< binary_to_integer(B).

collect() ->
    receive {selected, N} -> [N | collect()] after 0 -> [] end.
