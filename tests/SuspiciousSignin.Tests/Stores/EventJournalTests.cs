using System.Diagnostics;
using System.Text;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Api;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>The journal against everything that can happen to its files, byte by byte.</summary>
public sealed class EventJournalTests : IDisposable
{
    /// <summary>The length of a file that has room for a few events behind its header, which names all fields.</summary>
    private const int FewEvents = 4_300;

    private const long Now = EventSets.To;
    private const long Hour = 3_600_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("journal-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_write_cut_short_at_any_byte_costs_nothing_that_was_acknowledged()
    {
        var (events, ends) = (await BatchAsync(6), new List<long>());
        var whole = Image("whole");
        using (var journal = EventJournal.Open(whole))
        {
            for (var i = 0; i < events.Count; i += 2)
            {
                journal.Append(Evictions.None, [(i, events[i]), (i + 1, events[i + 1])]);
                ends.Add(journal.Length);
            }

            CopyTo(whole, "running");
        }

        var bytes = File.ReadAllBytes(FileOf("running"));
        Assert.Equal(ends[^1], bytes.Length);
        foreach (var leftover in new[] { Array.Empty<byte>(), new byte[100], [.. Enumerable.Repeat((byte)0xA5, 100)] })
        {
            for (var cut = (int)ends[1]; cut < ends[2]; cut += leftover.Length == 0 ? 1 : 13)
            {
                var image = Image($"cut-{cut}-{leftover.Length}-{leftover.FirstOrDefault()}");
                Directory.CreateDirectory(image);
                File.WriteAllBytes(FileOf(image), [.. bytes.AsSpan(0, cut), .. leftover]);
                using (var journal = EventJournal.Open(image))
                {
                    Assert.Equal([0, 1, 2, 3], Sequences(journal));
                    Assert.Equal(cut - ends[1] + leftover.Length, journal.TornBytes);
                    Assert.Equal(journal.TornBytes == 0 ? null : $"{Path.GetFileName(FileOf(image))} at byte {ends[1]}", journal.TornAt);
                    journal.Append(Evictions.None, [(4, events[4])]);
                }

                using var again = EventJournal.Open(image);
                Assert.Equal([0, 1, 2, 3, 4], Sequences(again));
                Assert.Equal(0, again.TornBytes);
            }
        }
    }

    [Fact]
    public async Task Any_damaged_byte_is_refused_by_file_and_offset_and_mended_without_losing_another_record()
    {
        var (events, starts) = (await BatchAsync(3), new List<long>());
        using (var journal = EventJournal.Open(Image("whole")))
        {
            for (var i = 0; i < events.Count; i++)
            {
                journal.Append(Evictions.None, [(i, events[i])]);
                starts.Add(journal.Length);
            }
        }

        var bytes = File.ReadAllBytes(FileOf("whole"));
        var header = HeaderLengthOf(bytes);
        long[] records = [header, .. starts];
        var image = Image("damaged");
        for (var at = 0; at < bytes.Length; at += at < header ? 7 : 1)
        {
            Fresh(image);
            var damaged = bytes.ToArray();
            damaged[at] ^= (byte)(1 << (at % 8));
            File.WriteAllBytes(FileOf(image), damaged);
            if (at >= records[^1])
            {
                // The mark that a clean stop leaves: as good as a stop without it.
                using var journal = EventJournal.Open(image);
                Assert.Equal([0, 1, 2], Sequences(journal));
                continue;
            }

            var hit = at < header ? 0 : records.Last(start => start <= at);
            var refused = Assert.Throws<EventJournalException>(() => EventJournal.Open(image).Dispose());
            Assert.Contains($"'{FileOf(image)}' at byte {hit}.", refused.Message, StringComparison.Ordinal);
            Assert.Equal(damaged, File.ReadAllBytes(FileOf(image)));
            if (at % 11 != 0)
            {
                continue;
            }

            Assert.Equal([Path.GetFileName(FileOf(image))], DurableEventStore.Mend(image).Damaged);
            using var mended = EventJournal.Open(image);
            long[] left = [.. new long[] { 0, 1, 2 }.Where(i => at >= header && records[i] != hit)];
            Assert.Equal(left, Sequences(mended));
            Assert.True(File.Exists(FileOf(image) + ".damaged"));
        }
    }

    [Fact]
    public async Task Files_that_are_followed_by_others_are_held_to_every_byte_too()
    {
        var events = await BatchAsync(40);
        using (var journal = EventJournal.Open(Image("whole"), segmentLength: FewEvents))
        {
            for (var i = 0; i < events.Count; i++)
            {
                journal.Append(Evictions.None, [(i, events[i])]);
            }
        }

        var files = Directory.GetFiles(Image("whole"), "*.journal").Order(StringComparer.Ordinal).ToArray();
        Assert.True(files.Length > 3);
        var random = new Random(11);
        for (var i = 0; i < 200; i++)
        {
            var name = Path.GetFileName(files[random.Next(files.Length - 1)]);
            var image = CopyTo(Image("whole"), $"{i}");
            var path = Path.Combine(image, name);
            var bytes = File.ReadAllBytes(path);
            switch (i % 4)
            {
                case 0:
                    File.Delete(path);
                    break;
                case 1:
                    File.WriteAllBytes(path, bytes[..random.Next(bytes.Length)]);
                    break;
                default:
                    bytes[random.Next(bytes.Length)] ^= 0x10;
                    File.WriteAllBytes(path, bytes);
                    break;
            }

            var refused = Assert.Throws<EventJournalException>(() => EventJournal.Open(image).Dispose());
            Assert.Contains(name, refused.Message, StringComparison.Ordinal);
            Assert.Contains("journal mend", refused.Message, StringComparison.Ordinal);
            DurableEventStore.Mend(image);
            using var mended = EventJournal.Open(image);
            var left = Sequences(mended);
            Assert.True(left.Length >= events.Count - 12 && left.Distinct().Count() == left.Length, $"{left.Length} of {events.Count} are left");
            Directory.Delete(image, recursive: true);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    public async Task A_start_without_the_newest_file_is_refused_by_its_name_until_it_is_mended(int count)
    {
        var (events, folder) = (await BatchAsync(count + 1), Image("newest"));
        using (var journal = EventJournal.Open(folder, segmentLength: FewEvents))
        {
            for (var i = 0; i < count; i++)
            {
                journal.Append(Evictions.None, [(i, events[i])]);
            }
        }

        var newest = Directory.GetFiles(folder, "*.journal").Order(StringComparer.Ordinal).Last();
        File.Delete(newest);

        var refused = Assert.Throws<EventJournalException>(() => EventJournal.Open(folder).Dispose());
        Assert.Contains($"'{newest}' is missing", refused.Message, StringComparison.Ordinal);
        Assert.Contains("journal mend", refused.Message, StringComparison.Ordinal);
        await using var output = new StringWriter();
        Assert.Equal(0, await Commands.RunAsync(["journal", "mend", folder], output));
        Assert.Equal($"Missing: {Path.GetFileName(newest)}. What was in them is lost; no file is damaged, and all others are kept.", output.ToString().Trim());
        long[] left;
        using (var mended = EventJournal.Open(folder))
        {
            left = Sequences(mended);
            mended.Append(Evictions.None, [(count, events[count])]);
        }

        using var again = EventJournal.Open(folder);
        Assert.Equal([.. left, count], Sequences(again));
    }

    [Fact]
    public async Task A_power_cut_at_any_moment_of_making_a_file_never_refuses_the_start()
    {
        var (events, folder) = (await BatchAsync(3), Image("making"));
        using (var journal = EventJournal.Open(folder))
        {
            journal.Append(Evictions.None, [(0, events[0])]);
        }

        var note = File.ReadAllBytes(Path.Combine(folder, "lock"));
        JournalSegment.Create(folder, 2);
        // The file is made and not noted yet; noted in part; noted, and empty; let go again, with the note written and the file still there.
        foreach (var written in new[] { note, [2, .. note[1..]], [], NoteOf(2), NoteOf(1) })
        {
            var image = CopyTo(folder, "cut");
            File.WriteAllBytes(Path.Combine(image, "lock"), written);
            for (var i = 0; i < 2; i++)
            {
                using var journal = EventJournal.Open(image);
                Assert.Equal([0], Sequences(journal));
            }

            using (var journal = EventJournal.Open(image, segmentLength: 1))
            {
                journal.Append(Evictions.None, [(1, events[1])]);
            }

            using var again = EventJournal.Open(image);
            Assert.Equal([0, 1], Sequences(again));
        }

        byte[] NoteOf(int number)
        {
            var path = Image("note");
            File.WriteAllBytes(path, []);
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
            JournalFiles.WriteNewest(file, number);
            var bytes = new byte[RandomAccess.GetLength(file)];
            RandomAccess.Read(file, bytes, 0);
            return bytes;
        }
    }

    [Fact]
    public async Task What_is_on_the_disk_but_not_in_memory_is_told_as_such_and_is_there_after_a_restart()
    {
        var (options, clock) = (new MemoryStoreOptions { Path = Image("lost") }, new StoppingClock(Now));
        using (var store = DurableEventStore.Open(options, new EventReaderOptions(), clock))
        {
            await store.AppendAsync(await BatchAsync(2), CancellationToken.None);
            Assert.False(store.OutOfStep.IsCompleted);
            store.Journal.BeforeFlush = () => clock.IsStopped = true;
            var told = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.AppendAsync(await BatchAsync(3), CancellationToken.None));
            (store.Journal.BeforeFlush, clock.IsStopped) = (null, false);

            Assert.True(store.OutOfStep.IsCompletedSuccessfully);
            Assert.Contains("on the disk could not be loaded into memory", told.Message, StringComparison.Ordinal);
            var health = await store.CheckAsync(CancellationToken.None);
            Assert.False(health.IsReady);
            Assert.Contains("A restart loads them", health.Description, StringComparison.Ordinal);
            // Memory and disk are not the same any more, so nothing is added to either.
            await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.AppendAsync(await BatchAsync(1), CancellationToken.None));
        }

        using var again = DurableEventStore.Open(options, new EventReaderOptions(), clock);
        Assert.Equal(5, again.Count);
        Assert.True((await again.CheckAsync(CancellationToken.None)).IsReady);
    }

    [Fact]
    public async Task Nothing_is_acknowledged_once_files_of_the_journal_were_removed()
    {
        foreach (var name in new[] { "lock", "*.journal", "*" })
        {
            var options = new MemoryStoreOptions { Path = Image("removed") };
            Directory.CreateDirectory(options.Path!);
            using (var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds())))
            {
                await store.AppendAsync(await BatchAsync(2), CancellationToken.None);
                foreach (var file in Directory.EnumerateFiles(options.Path!, name).ToArray())
                {
                    File.Delete(file);
                }

                for (var i = 0; i < 3; i++)
                {
                    var told = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.AppendAsync(await BatchAsync(3), CancellationToken.None));
                    Assert.Contains("files of the journal were removed or replaced", told.Message, StringComparison.Ordinal);
                    Assert.False((await store.CheckAsync(CancellationToken.None)).IsReady);
                }

                Assert.Equal(2, store.Count);
            }

            Directory.Delete(options.Path!, recursive: true);
        }
    }

    [Theory]
    [InlineData("lock", false)]
    [InlineData("*.journal", false)]
    [InlineData("lock", true)]
    [InlineData("*.journal", true)]
    public async Task Nothing_is_acknowledged_where_a_copy_stands_in_the_place_of_a_file_of_the_journal(string name, bool isRestarted)
    {
        var options = new MemoryStoreOptions { Path = Image("replaced") };
        var store = Open();
        await store.AppendAsync(await BatchAsync(2), CancellationToken.None);
        if (isRestarted)
        {
            // The copy comes before the first batch.
            store.Dispose();
            store = Open();
        }

        var file = Assert.Single(Directory.GetFiles(options.Path, name));
        var times = (File.GetLastAccessTimeUtc(file), File.GetLastWriteTimeUtc(file));
        var content = name == "lock" ? [] : await ReadSharedAsync(file);
        File.Delete(file);
        await File.WriteAllBytesAsync(file, content);
        File.SetLastAccessTimeUtc(file, times.Item1);
        File.SetLastWriteTimeUtc(file, times.Item2);

        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.AppendAsync(await BatchAsync(3), CancellationToken.None));
        Assert.False((await store.CheckAsync(CancellationToken.None)).IsReady);
        store.Dispose();
        store = Open();
        Assert.Equal(2, store.Count);
        store.Dispose();

        DurableEventStore Open() => DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()));
    }

    [Fact]
    public async Task After_a_clean_stop_damage_to_the_last_events_is_told_also_where_that_process_wrote_none()
    {
        var image = Image("unsealed");
        var journal = EventJournal.Open(image);
        journal.Append(Evictions.None, [(0, (await BatchAsync(1))[0])]);
        var killed = await ReadSharedAsync(FileOf(image));
        journal.Dispose();
        await File.WriteAllBytesAsync(FileOf(image), killed);

        EventJournal.Open(image).Dispose();
        var bytes = await File.ReadAllBytesAsync(FileOf(image));
        bytes[killed.Length - 1] ^= 1;
        await File.WriteAllBytesAsync(FileOf(image), bytes);

        Assert.Throws<EventJournalException>(() => EventJournal.Open(image).Dispose());
    }

    [Fact]
    public async Task Nothing_is_acknowledged_whose_file_was_removed_while_it_was_written()
    {
        var (events, folder) = (await BatchAsync(2), Image("removed"));
        using var journal = EventJournal.Open(folder);
        journal.Append(Evictions.None, [(0, events[0])]);
        journal.BeforeFlush = () => File.Delete(FileOf(folder));

        Assert.Throws<FileNotFoundException>(() => journal.Append(Evictions.None, [(1, events[1])]));
    }

    [Fact]
    public async Task A_file_whose_flush_failed_gets_no_more_for_nobody_knows_what_the_disk_has_of_it()
    {
        var (events, folder) = (await BatchAsync(2), Image("flush"));
        using (var journal = EventJournal.Open(folder))
        {
            journal.Append(Evictions.None, [(0, events[0])]);
            var length = new FileInfo(FileOf(folder)).Length;
            journal.BeforeFlush = () => throw new IOException("The disk failed.");
            Assert.Throws<IOException>(() => journal.Append(Evictions.None, [(1, events[1])]));
            journal.BeforeFlush = null;

            journal.Append(Evictions.None, [(1, events[1])]);

            Assert.Equal(length, new FileInfo(FileOf(folder)).Length);
            Assert.Equal(2, Directory.GetFiles(folder, "*.journal").Length);
        }

        using var again = EventJournal.Open(folder);
        Assert.Equal([0, 1], Sequences(again));
    }

    [Fact]
    public async Task What_is_left_of_several_damaged_files_stays_in_the_order_in_which_it_came()
    {
        var (events, folder) = (await BatchAsync(40), Image("several"));
        using (var journal = EventJournal.Open(folder, segmentLength: FewEvents))
        {
            for (var i = 0; i < events.Count; i++)
            {
                journal.Append(Evictions.None, [(i, events[i])]);
            }
        }

        var files = Directory.GetFiles(folder, "*.journal").Order(StringComparer.Ordinal).ToArray();
        Assert.True(files.Length > 3);
        foreach (var file in files[..^1])
        {
            var bytes = File.ReadAllBytes(file);
            bytes[^10] ^= 0x10;
            File.WriteAllBytes(file, bytes);
        }

        Assert.Equal(files.Length - 1, DurableEventStore.Mend(folder).Damaged.Count);
        using var mended = EventJournal.Open(folder);
        // Behind those of the last file, which is whole.
        var left = Sequences(mended);
        var salvaged = left.SkipWhile(sequence => sequence >= left[0]).ToArray();
        Assert.True(salvaged.Length > 3);
        Assert.Equal(salvaged.Order(), salvaged);
    }

    [Fact]
    public async Task A_folder_may_be_named_with_a_slash_behind_it()
    {
        var options = new MemoryStoreOptions { Path = Image("slash") + Path.DirectorySeparatorChar };
        using (var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds())))
        {
            await store.AppendAsync(await BatchAsync(2), CancellationToken.None);
        }

        await using var output = new StringWriter();
        Assert.Equal(0, await Commands.RunAsync(["journal", "mend", options.Path], output));
    }

    [Fact]
    public async Task A_folder_that_is_no_journal_is_not_mended_and_left_as_it_is()
    {
        var folder = Image("other");
        Directory.CreateDirectory(folder);

        await using var output = new StringWriter();

        Assert.Equal(1, await Commands.RunAsync(["journal", "mend", folder], output));
        Assert.Contains("is no journal", output.ToString(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public async Task Damage_to_the_list_of_files_costs_no_file()
    {
        var events = await BatchAsync(40);
        using (var journal = EventJournal.Open(Image("listed"), segmentLength: FewEvents))
        {
            for (var i = 0; i < events.Count; i++)
            {
                journal.Append(Evictions.None, [(i, events[i])]);
            }
        }

        // The list of all others is in the first record of the newest file.
        var newest = Directory.GetFiles(Image("listed"), "*.journal").Order(StringComparer.Ordinal).Last();
        var bytes = File.ReadAllBytes(newest);
        bytes[HeaderLengthOf(bytes) + 100] ^= 1;
        File.WriteAllBytes(newest, bytes);
        Assert.Throws<EventJournalException>(() => EventJournal.Open(Image("listed")).Dispose());
        DurableEventStore.Mend(Image("listed"));
        using var mended = EventJournal.Open(Image("listed"));
        Assert.Equal(events.Count - 1, Sequences(mended).Distinct().Count());
    }

    [Fact]
    public async Task What_is_let_go_leaves_the_disk_and_stays_gone_after_a_restart()
    {
        var clock = Engine.ClockAt(Now);
        var options = new MemoryStoreOptions { MaxEvents = 1_000, Retention = TimeSpan.FromHours(2), Path = Image("pruned") };
        var journal = EventJournal.Open(options.Path, segmentLength: 64 * 1024);
        using (var store = DurableEventStore.Open(journal, options, new EventReaderOptions(), clock))
        {
            for (var minute = 0; minute < 300; minute++)
            {
                clock.AdjustTime(DateTimeOffset.FromUnixTimeMilliseconds(Now + (minute * 60_000)));
                // One event of each batch is dated far ahead, so that no file is ever let go as a whole.
                await store.AppendAsync(await BatchAsync(20, Now + (minute * 60_000), ahead: 1), default);
                Assert.True(journal.Length < 4 * 1024 * 1024, $"{journal.Length} bytes are kept of {store.Count} events");
            }

            Assert.Equal(1_000, store.Count);
        }

        using var again = DurableEventStore.Open(options, new EventReaderOptions(), clock);
        Assert.Equal(1_000, again.Restored);
        var answer = await again.CorrelateAsync(
            new CorrelationQuery { Revision = Engine.Revision(), Window = new TimeWindow(Now, Now + (300 * 60_000)), Limit = 1 }, default);
        Assert.True(answer.IsPartial);
        Assert.Equal(5_000, answer.Warnings.Where(warning => warning.Code is "evictedByCapacity" or "windowBeyondRetention").Sum(warning => warning.Count));
    }

    [Fact]
    public async Task Files_of_events_let_go_leave_the_disk_though_all_events_are_of_one_minute()
    {
        var options = new MemoryStoreOptions { MaxEvents = 1_000, Path = Image("minute") };
        var journal = EventJournal.Open(options.Path, segmentLength: 16 * 1024);
        using var store = DurableEventStore.Open(journal, options, new EventReaderOptions(), Engine.ClockAt(Now));
        long ofThoseHeld = 0;
        for (var i = 0; i < 100; i++)
        {
            await store.AppendAsync(await BatchAsync(100, Now - 10_000 + (i * 100)), default);
            ofThoseHeld = i == 9 ? journal.Length : ofThoseHeld;
        }

        Assert.InRange(journal.Length, 1, 3 * ofThoseHeld);
    }

    [Theory]
    [InlineData(typeof(IOException))]
    [InlineData(typeof(UnauthorizedAccessException))]
    [InlineData(typeof(OutOfMemoryException))]
    public async Task A_file_that_could_not_be_written_anew_is_kept_whatever_the_fault(Type fault)
    {
        // One file of which most is let go and another that is young: what is left of the first is to be written anew.
        var (sequence, folder) = (0L, Image($"unpruned-{fault.Name}"));
        var evictions = new Evictions(Now + (5 * 60_000), long.MaxValue, 60, Now, 20, long.MinValue, 0);
        using (var journal = EventJournal.Open(folder, segmentLength: 2_000))
        {
            Append(journal, Evictions.None, [.. await BatchAsync(20, Now), .. await BatchAsync(10, Now + (10 * 60_000))]);
            Append(journal, Evictions.None, await BatchAsync(30, Now + (10 * 60_000)));
            journal.BeforeFlush = () => throw (Exception)Activator.CreateInstance(fault)!;
            Assert.Throws(fault, () => journal.Prune(evictions));
            journal.BeforeFlush = null;
            Append(journal, evictions, await BatchAsync(1, Now + (11 * 60_000)));
        }

        using var again = EventJournal.Open(folder, segmentLength: 2_000);
        Assert.Equal(10 + 30 + 1, again.ReadBack().Count());

        void Append(EventJournal journal, Evictions evictions, IReadOnlyList<EventRecord> events) =>
            journal.Append(evictions, [.. events.Select(record => (sequence++, record))]);
    }

    [Fact]
    public async Task That_files_cannot_be_given_back_is_logged_once_and_told_by_health_until_they_can()
    {
        var (isFull, log) = (true, new Api.LogLines());
        var options = new MemoryStoreOptions { MaxEvents = 1_000, Path = Image("overdue") };
        var journal = EventJournal.Open(options.Path, segmentLength: 16 * 1024);
        using var store = DurableEventStore.Open(journal, options, new EventReaderOptions(), Engine.ClockAt(Now), logger: log);
        journal.BeforeFlush = () =>
        {
            if (isFull && new StackTrace().GetFrames().Any(frame => frame.GetMethod()?.Name == nameof(EventJournal.Prune)))
            {
                throw new IOException("The disk is full.");
            }
        };

        await FillAsync(0);
        Assert.Contains("notPruned", (await store.CheckAsync(default)).Facts.Keys);
        isFull = false;
        await FillAsync(20);

        Assert.DoesNotContain("notPruned", (await store.CheckAsync(default)).Facts.Keys);
        Assert.Single(log.Lines, line => line.StartsWith("Warning Files of evicted events cannot be deleted", StringComparison.Ordinal));

        async Task FillAsync(int first)
        {
            for (var i = first; i < first + 20; i++)
            {
                await store.AppendAsync(await BatchAsync(100, Now - 10_000 + (i * 100)), default);
            }

            // Batches are acknowledged before files are looked through, which is done with one when the next is.
            await store.AppendAsync([], default);
        }
    }

    [Fact]
    public async Task Whoever_goes_away_does_not_wait_for_a_disk_that_hangs()
    {
        var options = new MemoryStoreOptions { Path = Image("hung") };
        using var isOpen = new ManualResetEventSlim();
        using var gone = new CancellationTokenSource();
        using var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        using var isFlushing = new ManualResetEventSlim();
        store.Journal.BeforeFlush = () =>
        {
            isFlushing.Set();
            isOpen.Wait();
        };
        var waiting = store.AppendAsync(await BatchAsync(1), gone.Token);
        isFlushing.Wait(TestContext.Current.CancellationToken);
        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);

        // What the disk was at when they went it takes after all.
        isOpen.Set();
        await store.AppendAsync(await BatchAsync(1, Now + 1), default);
        Assert.Equal(2, store.Count);
    }

    [Fact]
    public async Task What_waits_for_a_disk_that_hangs_is_let_go_with_whoever_sent_it()
    {
        using var isOpen = new ManualResetEventSlim();
        using var isFlushing = new ManualResetEventSlim();
        using var store = DurableEventStore.Open(new MemoryStoreOptions { Path = Image("abandoned") }, new EventReaderOptions(), Engine.ClockAt(Now));
        store.Journal.BeforeFlush = () =>
        {
            isFlushing.Set();
            isOpen.Wait();
        };
        var first = store.AppendAsync(await BatchAsync(1), default);
        isFlushing.Wait(TestContext.Current.CancellationToken);

        var abandoned = await AbandonAsync();
        for (var i = 0; i < 100 && abandoned.IsAlive; i++)
        {
            // What the last continuation left on a stack goes with the next one.
            await Task.Delay(10, TestContext.Current.CancellationToken);
            GC.Collect();
        }

        // Whatever came of it, the writer has to end.
        isOpen.Set();
        await first;
        await store.AppendAsync(await BatchAsync(1, Now + 1), default);
        Assert.False(abandoned.IsAlive);
        Assert.Equal(2, store.Count);

        async Task<WeakReference> AbandonAsync()
        {
            using var gone = new CancellationTokenSource();
            var events = await BatchAsync(5, Now + 100);
            var waiting = store.AppendAsync(events, gone.Token);
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
            return new WeakReference(events);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(11)]
    public async Task A_store_that_is_restarted_all_the_time_answers_as_one_that_never_was(int seed)
    {
        var (random, clock) = (new Random(seed), Engine.ClockAt(Now));
        var options = new MemoryStoreOptions { MaxEvents = 60, Retention = TimeSpan.FromHours(3), Path = Image($"twin-{seed}") };
        var lasting = new MemoryEventStore(new MemoryStoreOptions { MaxEvents = options.MaxEvents, Retention = options.Retention }, clock);
        var restarted = Start();
        var now = Now;
        for (var step = 0; step < 200; step++)
        {
            now += random.Next(8) switch { 1 => 2 * Hour, var minutes => minutes * 60_000 };
            clock.AdjustTime(DateTimeOffset.FromUnixTimeMilliseconds(now));
            var documents = Enumerable.Range(0, random.Next(1, 12)).Select(_ => Document(
                random.Next(3) == 0 ? $"{random.Next(200)}" : null, now - random.NextInt64(4 * Hour) + (random.Next(20) == 0 ? 5 * Hour : 0)));
            var batch = await Engine.ReadAsync($"[{string.Join(',', documents)}]");
            var (first, second) = (await lasting.AppendAsync(batch.Events, default), await restarted.AppendAsync(batch.Events, default));
            Assert.Equal(first.Duplicates.Order(), second.Duplicates.Order());
            Assert.Equal(first.Warnings, second.Warnings);
            if (random.Next(3) == 0)
            {
                restarted.Dispose();
                restarted = Start();
            }

            Assert.Equal(await ShowAsync(lasting), await ShowAsync(restarted));
        }

        restarted.Dispose();

        DurableEventStore Start() =>
            DurableEventStore.Open(EventJournal.Open(options.Path, segmentLength: 6_000), options, new EventReaderOptions(), clock);
    }

    [Fact]
    public async Task Verdicts_and_identities_are_taken_anew_by_the_settings_of_the_new_process()
    {
        foreach (var (before, after) in new[] { (false, true), (true, false), (true, true) })
        {
            using var journal = EventJournal.Open(Image($"{before}-{after}"));
            var expected = new List<EventRecord>();
            foreach (var set in EventSets.Take(150, seed: 99))
            {
                var written = (await Engine.ReadAsync(set.Json, options: new EventReaderOptions { StockAlertMapping = before })).Events;
                journal.Append(Evictions.None, [.. written.Select((record, i) => ((long)expected.Count + i, record))]);
                expected.AddRange((await Engine.ReadAsync(set.Json, options: new EventReaderOptions { StockAlertMapping = after })).Events);
            }

            var reader = new EventReader(new EventReaderOptions { StockAlertMapping = after });
            Assert.Equal(expected.Select(Show), journal.ReadBack().Select(kept => Show(reader.ReadAgain(kept.Event))));
        }

        static string Show(EventRecord record) =>
            $"{record.Timestamp} {record.Ingested} {record.Classification.Bits:x} {record.Identity} {string.Join(',', record.Addresses.ToArray())} {Convert.ToHexString(record.Traits.Fields)} {Convert.ToHexString(record.Account.Span)} {Convert.ToHexString(record.Payload.Span)}";
    }

    [Fact]
    public async Task Fields_are_found_by_name_when_another_version_numbered_them_otherwise()
    {
        var events = await BatchAsync(1);
        string[] older = ["_id", "a.field.of.another.version", "event.dataset"];
        var folder = Image("older");
        Directory.CreateDirectory(folder);
        var segment = JournalSegment.Create(folder, 1, older);
        using var buffer = new MemoryStream();
        byte[] payload = [0, 1, 0, (byte)'x', 1, 2, 0, (byte)'?', (byte)'?', 2, 16, 0, .. "azure.signinlogs"u8];
        segment.Encode(buffer, Evictions.None, [], [(7, events[0] with { Traits = EventTraits.None, Account = default, Payload = payload })]);
        File.AppendAllBytes(segment.FilePath, buffer.ToArray());
        using var journal = EventJournal.Open(folder);
        var reader = new EventReader(new EventReaderOptions());
        var (sequence, kept) = Assert.Single(journal.ReadBack().Select(entry => (entry.Sequence, EventDocument.From(reader.ReadAgain(entry.Event), Engine.Revision()))));
        Assert.Equal((7, "x", "azure.signinlogs"), (sequence, kept.Id, kept.Dataset));
        journal.Append(Evictions.None, [(8, events[0])]);
        Assert.Equal(2, Directory.GetFiles(folder, "*.journal").Length);
    }

    [Fact]
    public async Task Whoever_waits_for_the_disk_shares_the_next_flush()
    {
        const int Callers = 40;
        var (options, flushes) = (new MemoryStoreOptions { Path = Image("group") }, 0);
        using var isOpen = new ManualResetEventSlim();
        using var isFlushing = new ManualResetEventSlim();
        using var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        store.Journal.BeforeFlush = () =>
        {
            Interlocked.Increment(ref flushes);
            isFlushing.Set();
            isOpen.Wait();
        };
        var first = store.AppendAsync(await BatchAsync(1), default);
        isFlushing.Wait();
        var others = new List<Task<AppendResult>>();
        for (var i = 0; i < Callers; i++)
        {
            others.Add(store.AppendAsync(await BatchAsync(1, Now + i), default));
        }

        Assert.False(first.IsCompleted);
        Assert.Equal(0, store.Count);
        isOpen.Set();
        await Task.WhenAll(others);
        Assert.Equal(2, Volatile.Read(ref flushes));
        Assert.Equal(Callers + 1, store.Count);
    }

    [Fact]
    public async Task Batches_of_the_same_events_at_once_are_kept_once_and_none_is_acknowledged_before_the_disk_has_them()
    {
        var options = new MemoryStoreOptions { Path = Image("same") };
        using var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        using var isFlushing = new ManualResetEventSlim();
        using var isOpen = new ManualResetEventSlim();
        store.Journal.BeforeFlush = () =>
        {
            isFlushing.Set();
            isOpen.Wait();
            throw new IOException("No space left on device");
        };
        var batch = (await Engine.ReadAsync($"[{Document("1", Now)},{Document("2", Now)}]")).Events;
        var first = store.AppendAsync(batch, default);
        isFlushing.Wait();
        var second = store.AppendAsync(batch, default);
        isOpen.Set();
        await Assert.ThrowsAsync<StoreUnavailableException>(() => first);
        // Had it been told that these are duplicates, its sender would have forgotten them.
        await Assert.ThrowsAsync<StoreUnavailableException>(() => second);
        Assert.Equal(0, store.Count);
        Assert.False((await store.CheckAsync(default)).IsReady);
        store.Journal.BeforeFlush = null;
        Assert.True((await store.CheckAsync(default)).IsReady);
        var results = await Task.WhenAll(store.AppendAsync(batch, default), store.AppendAsync(batch, default));
        Assert.Equal([0, 2], results.Select(result => result.Duplicates.Count).Order());
        Assert.Equal(2, store.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_disk_that_fails_now_and_then_loses_and_doubles_nothing(int seed)
    {
        var random = new Random(seed);
        var options = new MemoryStoreOptions { Path = Image($"failing-{seed}") };
        var acknowledged = new List<string>();
        var journal = EventJournal.Open(options.Path, segmentLength: 5_000);
        using (var store = DurableEventStore.Open(journal, options, new EventReaderOptions(), Engine.ClockAt(Now)))
        {
            journal.BeforeFlush = () =>
            {
                if (random.Next(3) == 0)
                {
                    throw new IOException("Input/output error");
                }
            };
            for (var i = 0; i < 200; i++)
            {
                var batch = (await Engine.ReadAsync($"[{Document(null, Now, $"{i}")}]")).Events;
                try
                {
                    await store.AppendAsync(batch, default);
                    acknowledged.Add($"{i}");
                }
                catch (StoreUnavailableException)
                {
                }
            }

            Assert.InRange(acknowledged.Count, 100, 180);
            Assert.Equal(acknowledged, await ActionsAsync(store));
            journal.BeforeFlush = null;
        }

        using var again = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        Assert.Equal(acknowledged, await ActionsAsync(again));
    }

    [Fact]
    public async Task The_same_batch_after_a_restart_is_all_duplicates()
    {
        var options = new MemoryStoreOptions { Path = Image("again") };
        var batch = (await Engine.ReadAsync($"[{Document("1", Now)},{Document("2", Now)},{Document(null, Now)}]")).Events;
        using (var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now)))
        {
            await store.AppendAsync(batch, default);
        }

        using var again = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        var result = await again.AppendAsync(batch, default);
        Assert.Equal([0, 1], result.Duplicates.Order());
        Assert.Equal(4, again.Count);
    }

    [Theory]
    [InlineData("2h")]
    [InlineData("now")]
    public async Task A_replay_is_as_much_another_event_after_a_restart_as_before(string shift)
    {
        var folder = Image("replayed");
        var (original, replay) = (Ecs.Batch(Ecs.NetworkAlert(300, id: "a"), Ecs.SignIn(290, id: "s")), $"?timeShift={shift}");
        using (var service = new TestService(settings: ("Store:Memory:Path", folder)))
        {
            Assert.Equal(2, (await service.PostAsync(original)).Number("accepted"));
            Assert.Equal(2, (await service.PostAsync(original, replay)).Number("accepted"));
        }

        using var again = new TestService(settings: ("Store:Memory:Path", folder));
        Assert.Equal(4, (await again.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
        Assert.Equal(2, (await again.PostAsync(original, replay)).Number("duplicates"));
        Assert.Equal(2, (await again.PostAsync(original)).Number("duplicates"));
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("?timeShift=now", "s")]
    public async Task A_request_with_a_key_is_known_again_after_a_restart_whatever_became_of_its_answer(string query, string? id)
    {
        var folder = Image("keyed");
        var batch = Ecs.Batch(Ecs.NetworkAlert(30, id: id is null ? null : "a"), Ecs.SignIn(20, id: id));
        foreach (var (accepted, duplicates) in new[] { (2, 0), (0, 2), (0, 2) })
        {
            using var service = new TestService(settings: ("Store:Memory:Path", folder));
            service.Clock.Advance(TimeSpan.FromMinutes(duplicates));
            var answer = await service.SendAsync(HttpMethod.Post, $"/api/v1/events{query}", TestService.Content(batch), "once");
            Assert.Equal((accepted, duplicates), (answer.Number("accepted"), answer.Number("duplicates")));
        }
    }

    [Theory]
    [InlineData("events-00000010.journal")]
    [InlineData("events-1.journal")]
    public async Task A_file_under_another_name_is_refused(string name)
    {
        var folder = Image("copied");
        using (var journal = EventJournal.Open(folder))
        {
            journal.Append(Evictions.None, [.. (await BatchAsync(2)).Select((record, i) => ((long)i, record))]);
        }

        var copy = Path.Combine(folder, name);
        File.Copy(Path.Combine(folder, JournalSegment.NameOf(1)), copy);

        var told = $"'{copy}' was written as '{JournalSegment.NameOf(1)}'";
        Assert.Contains(told, Assert.Throws<EventJournalException>(() => EventJournal.Open(folder).Dispose()).Message, StringComparison.Ordinal);
        Assert.Contains(told, Assert.Throws<EventJournalException>(() => DurableEventStore.Mend(folder)).Message, StringComparison.Ordinal);

        // Whoever moves it back has lost nothing.
        File.Move(copy, Path.Combine(folder, JournalSegment.NameOf(1)), overwrite: true);
        using var again = EventJournal.Open(folder);
        Assert.Equal([0, 1], Sequences(again));
    }

    [Fact]
    public async Task What_the_last_batch_made_the_store_let_go_is_noted_when_it_stops()
    {
        var options = new MemoryStoreOptions { MaxEvents = 2, Path = Image("sealed") };
        using (var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now)))
        {
            await store.AppendAsync(await BatchAsync(3), default);
            Assert.Equal(2, store.Count);
        }

        using var journal = EventJournal.Open(options.Path);
        Assert.Equal(1, journal.Evictions.Capacity);
    }

    [Fact]
    public async Task What_a_start_with_less_room_let_go_stays_gone_though_nothing_was_added_after_it()
    {
        var options = new MemoryStoreOptions { MaxEvents = 3, Path = Image("less") };
        using (var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now)))
        {
            await store.AppendAsync(await BatchAsync(3), default);
        }

        foreach (var maxEvents in new[] { 2, 3 })
        {
            options.MaxEvents = maxEvents;
            using var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
            Assert.Equal(2, store.Count);
        }
    }

    [Fact]
    public async Task An_event_that_was_let_go_never_takes_the_place_of_a_later_one_of_its_identity()
    {
        var options = new MemoryStoreOptions { Retention = TimeSpan.FromHours(1), MaxEvents = 1_000, Path = Image("identity") };
        var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        await SendAsync("old", Now - (2 * Hour));
        await SendAsync("e1", Now - 10);
        await SendAsync("e2", Now - 9);
        store.Dispose();

        // With another retention, older events than were let go may come, and go for room.
        (options.Retention, options.MaxEvents) = (TimeSpan.FromDays(2), 4);
        store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        foreach (var (id, at) in new[] { ("a", Now - (5 * Hour)), ("y", Now - (4 * Hour)), ("z", Now - (3 * Hour)), ("a", Now - 8) })
        {
            await SendAsync(id, at);
        }

        Assert.Contains("a@8", await ActionsAsync(store));
        store.Dispose();
        store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        Assert.Contains("a@8", await ActionsAsync(store));
        store.Dispose();

        async Task SendAsync(string id, long at) =>
            await store.AppendAsync((await Engine.ReadAsync($"[{Document(id, at, $"{id}@{Now - at}")}]")).Events, default);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public async Task A_clock_that_steps_an_hour_between_two_processes_loses_nothing_within_retention(int hours)
    {
        var options = new MemoryStoreOptions { Path = Image("clock") };
        foreach (var at in new[] { Now, Now + (hours * Hour), Now })
        {
            using var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(at));
            await store.AppendAsync((await Engine.ReadAsync($"[{Document(null, at)},{Document(null, Now - (46 * Hour))}]")).Events, default);
        }

        using var last = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
        Assert.Equal(6, last.Restored);
    }

    [Fact]
    public async Task A_second_instance_on_the_same_folder_is_refused_until_the_first_is_gone()
    {
        var folder = Image("held");
        using (EventJournal.Open(folder))
        {
            var refused = Assert.Throws<EventJournalException>(() => EventJournal.Open(folder).Dispose());
            Assert.Contains("another instance holds", refused.Message, StringComparison.Ordinal);
            Assert.Contains("another instance holds", Assert.Throws<EventJournalException>(() => DurableEventStore.Mend(folder)).Message, StringComparison.Ordinal);
        }

        using var next = EventJournal.Open(folder);
        next.Append(Evictions.None, [(0, (await BatchAsync(1))[0])]);
    }

    [Fact]
    public void A_folder_that_cannot_be_used_is_told_by_name()
    {
        var file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        foreach (var path in new[] { file, Path.Combine(file, "below"), Path.Combine(_folder, "missing", "below") })
        {
            var refused = Assert.Throws<EventJournalException>(() => EventJournal.Open(path).Dispose());
            Assert.Contains("Store:Memory:Path", refused.Message, StringComparison.Ordinal);
            Assert.Contains(path, refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Only_the_owner_can_read_the_files()
    {
        using var journal = EventJournal.Open(Image("mine"));
        journal.Append(Evictions.None, [(0, (await BatchAsync(1))[0])]);
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(Owner | UnixFileMode.UserExecute, File.GetUnixFileMode(Image("mine")));
        foreach (var file in Directory.GetFiles(Image("mine")))
        {
            Assert.Equal(Owner, File.GetUnixFileMode(file));
        }
    }

    [Fact]
    public async Task The_folder_is_free_once_dispose_returns_whichever_thread_called_it_first()
    {
        var folder = Image("shared");
        var options = new MemoryStoreOptions { Path = folder };
        var batch = await BatchAsync(1_000);
        for (var round = 0; round < 20; round++)
        {
            var store = DurableEventStore.Open(options, new EventReaderOptions(), Engine.ClockAt(Now));
            var sent = store.AppendAsync(batch, default);
            var first = Task.Run(store.Dispose);
            store.Dispose();

            EventJournal.Open(folder).Dispose();
            await first;
            await sent;
        }
    }

    [Fact]
    public async Task Store_false_never_touches_the_disk_and_answers_do_not_name_the_folder()
    {
        var folder = Image("service");
        using (var service = new TestService(settings: ("Store:Memory:Path", folder)))
        {
            await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "1")));
            var before = File.ReadAllBytes(FileOf(folder));
            Assert.Equal(1, (await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "2")), "?store=false")).Number("accepted"));
            Assert.Equal(before, File.ReadAllBytes(FileOf(folder)));
            var ready = await service.GetAsync("/health/ready");
            Assert.True(ready.Json!["checks"]![0]!["data"]!["durable"]!.GetValue<bool>());
            Assert.DoesNotContain(Path.GetFileName(_folder), ready.Text, StringComparison.Ordinal);
        }

        using var again = new TestService(settings: ("Store:Memory:Path", folder));
        Assert.Equal(1, (await again.GetAsync("/health/ready")).Json!["checks"]![0]!["data"]!["restored"]!.GetValue<int>());
        Assert.Equal(1, (await again.PostAsync(Ecs.Batch(Ecs.SignIn(id: "1")))).Number("duplicates"));
    }

    [Fact]
    public async Task How_much_the_journal_takes_on_the_disk_is_told_by_health_and_metrics()
    {
        var folder = Image("measured");
        using var service = new TestService(settings: ("Store:Memory:Path", folder));
        Assert.Equal(0, await ToldAsync());
        await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "1")));
        var length = new FileInfo(FileOf(folder)).Length;
        Assert.Equal(length, await ToldAsync());
        var metric = (await service.GetAsync("/metrics")).Text.Split('\n').Single(line => line.StartsWith("suspicious_signin_store_journal_bytes", StringComparison.Ordinal));
        Assert.Contains($" {length}", metric, StringComparison.Ordinal);

        async Task<long> ToldAsync() => (await service.GetAsync("/health/ready")).Json!["checks"]![0]!["data"]!["journalBytes"]!.GetValue<long>();
    }

    private static string Document(string? id, long at, string action = "") =>
        $"{{{(id is null ? "" : $"\"_id\":\"{id}\",")}\"@timestamp\":{at},\"source.ip\":\"203.0.114.7\",\"event.action\":\"{action}\",\"event.dataset\":\"azure.signinlogs\",\"event.outcome\":\"success\"}}";

    private static async Task<IReadOnlyList<EventRecord>> BatchAsync(int count, long at = Now, int ahead = 0)
    {
        var documents = Enumerable.Range(0, count).Select(i => Document(null, i < ahead ? at + (23 * Hour) : at + i, $"{i}"));
        return (await Engine.ReadAsync(new StringBuilder("[").AppendJoin(',', documents).Append(']').ToString())).Events;
    }

    private static async Task<IEnumerable<string?>> ActionsAsync(DurableEventStore store)
    {
        var page = await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse("203.0.114.7"), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10_000 }, default);
        return page!.Events.Select(document => document.Action);
    }

    private static async Task<string> ShowAsync(IEventStore store)
    {
        var page = await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse("203.0.114.7"), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10_000 }, default);
        var answer = await store.CorrelateAsync(
            new CorrelationQuery { Revision = Engine.Revision(), Window = new TimeWindow(Now - (20 * Hour), Now + (10_000 * Hour)), Limit = 10 }, default);
        return string.Join('\n', page!.Events.Select(document => $"{document.Timestamp:O} {document.Id}"))
            + $"\n{answer.IsPartial} {answer.Coverage}\n" + string.Join('\n', answer.Warnings.Select(warning => $"{warning.Code} {warning.Count}"));
    }

    private static long[] Sequences(EventJournal journal) => [.. journal.ReadBack().Select(kept => kept.Sequence)];

    private static int HeaderLengthOf(byte[] segment) => BitConverter.ToInt32(segment, 8) + sizeof(ulong);

    private static void Fresh(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        Directory.CreateDirectory(folder);
    }

    private string CopyTo(string folder, string name)
    {
        Fresh(Image(name));
        foreach (var file in Directory.GetFiles(folder, "*.journal"))
        {
            File.Copy(file, Path.Combine(Image(name), Path.GetFileName(file)));
        }

        return Image(name);
    }

    // While another holds it.
    private static async Task<byte[]> ReadSharedAsync(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var bytes = new byte[RandomAccess.GetLength(file)];
        await RandomAccess.ReadAsync(file, bytes, 0);
        return bytes;
    }

    private string Image(string name) => Path.Combine(_folder, name);

    private string FileOf(string folder) => Path.Combine(_folder, folder, JournalSegment.NameOf(1));
}
