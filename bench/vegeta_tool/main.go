// Vegeta with its connections opened before the clock starts.
//
// Vegeta's own command opens them while it measures, each bound to an address first, which costs the kernel more than
// the requests do when there are thousands of them.
package main

import (
	"bufio"
	"context"
	"flag"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func main() {
	address := flag.String("address", "", "host:port that is asked")
	targets := flag.String("targets", "", "file of targets, a JSON object a line; each is sent once")
	output := flag.String("output", "", "file of the answers, as vegeta's CSV")
	connections := flag.Int("connections", 10, "opened before the start")
	duration := flag.Duration("duration", 10*time.Second, "how long requests are sent")
	timeout := flag.Duration("timeout", 30*time.Second, "how long an answer may take")
	rate := flag.Int("rate", 0, "requests a second; 0: each connection asks again as soon as it is answered")
	patient := flag.Bool("patient", false, "send again, until the timeout, what was refused with 503 or not answered")
	flag.Parse()

	opened := make(chan net.Conn, *connections)
	open(*address, *connections, opened)
	answers := attack(*targets, opened, *connections, *duration, *timeout, *rate, *patient)
	write(*output, answers)
}

// open dials some at a time: the server's backlog is not endless.
func open(address string, connections int, opened chan<- net.Conn) {
	var group sync.WaitGroup
	places := make(chan struct{}, 64)
	for range connections {
		group.Add(1)
		places <- struct{}{}
		go func() {
			defer group.Done()
			defer func() { <-places }()
			connection, err := net.DialTimeout("tcp", address, 10*time.Second)
			check(err)
			opened <- connection
		}()
	}
	group.Wait()
}

func attack(
	targets string, opened <-chan net.Conn, connections int, duration, timeout time.Duration, rate int, patient bool,
) []*vegeta.Result {
	file, err := os.Open(targets)
	check(err)
	defer file.Close()
	dialer := &net.Dialer{Timeout: timeout}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case connection := <-opened:
			return connection, nil
		default:
			return dialer.DialContext(ctx, network, address)
		}
	}
	var transport http.RoundTripper = &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: connections,
		MaxConnsPerHost:     connections,
	}
	if patient {
		transport = repeating{transport}
	}
	client := &http.Client{Timeout: timeout, Transport: transport}
	workers := uint64(connections)
	if rate > 0 && rate < connections {
		workers = uint64(rate)
	}
	attacker := vegeta.NewAttacker(
		vegeta.Client(client), vegeta.Workers(workers), vegeta.MaxWorkers(uint64(connections)),
	)
	targeter := vegeta.NewJSONTargeter(bufio.NewReaderSize(file, 1<<20), nil, nil)
	pacer := vegeta.ConstantPacer{Freq: rate, Per: time.Second}
	var answers []*vegeta.Result
	for answer := range attacker.Attack(targeter, pacer, duration, "") {
		answers = append(answers, answer)
	}
	return answers
}

// repeating sends a request again as it was, its key too: what a client does who wants one order and not two.
type repeating struct{ http.RoundTripper }

func (once repeating) RoundTrip(request *http.Request) (*http.Response, error) {
	for {
		response, err := once.RoundTripper.RoundTrip(request)
		if err == nil {
			if response.StatusCode != http.StatusServiceUnavailable {
				return response, nil
			}
			// Read, else the connection could not be used again.
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		select {
		case <-request.Context().Done():
			return nil, request.Context().Err()
		// Spread out, so that a server that is back is not stormed.
		case <-time.After(100*time.Millisecond + rand.N(400*time.Millisecond)):
		}
		request = request.Clone(request.Context())
		if request.GetBody != nil {
			request.Body, err = request.GetBody()
			check(err)
		}
	}
}

func write(output string, answers []*vegeta.Result) {
	file, err := os.Create(output)
	check(err)
	buffer := bufio.NewWriter(file)
	encode := vegeta.NewCSVEncoder(buffer)
	for _, answer := range answers {
		check(encode.Encode(answer))
	}
	check(buffer.Flush())
	check(file.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
