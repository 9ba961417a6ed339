package gateway

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func summaryTexts() []string {
	return []string{
		`[]`, ` [ ] `, `null`, `nulls`, ``, `{`, `[`, `[{`, `{}`, `[1]`, `["a"]`, `[[]]`, `[{}]`, `[{}}`, `[{},]`, `[{} {}]`, `[,{}]`,
		`[{"name":"a","image":"r/a:1","namespace":"n","invocationCount":3,"replicas":2,"createdAt":"2026-01-02T03:04:05Z"}]`,
		"[ {\n\t\"name\" : \"a\" , \"replicas\" : 1 } ,\r\n {\"name\":\"b\"} ]",
		`[{"envVars":{"a":"}]","b":"\"{["},"labels":null,"secrets":["x","y"],"name":"a","limits":{"memory":"1Mi"}}]`,
		`[{"name":"\u00e9\ud83d\ude00\n"}]`, `[{"name":"é"}]`, "[{\"name\":\"\xff\"}]", "[{\"name\":\"a\x01\"}]",
		`[{"Name":"a","REPLICAS":2}]`, `[{"name":null,"replicas":null}]`, `[{"name":1}]`, `[{"replicas":"1"}]`, `[{"replicas":-1}]`,
		`[{"replicas":1.5}]`, `[{"invocationCount":1e3}]`, `[{"invocationCount":01}]`, `[{"invocationCount":0x1p4}]`, `[{"invocationCount":inf}]`,
		`[{"createdAt":"yesterday"}]`, `[{"createdAt":"2026-01-02T03:04:05.123+02:00"}]`, `[{"name":"a","name":"b"}]`, `[{"name":"a"`, `[{"name":"a"},`,
		`[{"name":"a"}] tail`, `[{"name":"a" "image":"b"}]`, `[{"name"}]`, `[{"name":}]`, `[{:1}]`,
		`[` + strings.Repeat(`{"name":"`+strings.Repeat("x", 1000)+`"},`, 200) + `{"name":"last"}]`,
	}
}

func readSummaries(text string) ([]Summary, error) {
	list := []Summary{}
	err := eachSummary(strings.NewReader(text), func(s Summary) { list = append(list, s) })
	return list, err
}

// TestSummariesAsEncodingJSON: the fast way gives what the standard one does,
// and fails where it does.
func TestSummariesAsEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range summaryTexts() {
		compareSummaries(t, text, true)
		list := []Summary{}
		if err := eachSummary(iotest.OneByteReader(strings.NewReader(text)), func(s Summary) { list = append(list, s) }); err == nil {
			if whole, _ := readSummaries(text); !reflect.DeepEqual(list, whole) {
				t.Errorf("%.80q, byte by byte: %+v; want %+v", text, list, whole)
			}
		}
	}
}

// compareSummaries wants the result of encoding/json; with strict its errors,
// too. Mistakes inside what is skipped are found by encoding/json alone.
func compareSummaries(t *testing.T, text string, strict bool) {
	t.Helper()
	want := []Summary{}
	wantErr := json.NewDecoder(strings.NewReader(text)).Decode(&want)
	if want == nil {
		want = []Summary{}
	}
	got, err := readSummaries(text)
	if strict && (err == nil) != (wantErr == nil) {
		t.Errorf("%.80q: error %v; want %v", text, err, wantErr)
	}
	if wantErr == nil && (err != nil || !reflect.DeepEqual(got, want)) {
		t.Errorf("%.80q: %+v, %v; want %+v", text, got, err, want)
	}
}

func FuzzSummaries(f *testing.F) {
	for _, text := range summaryTexts() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { compareSummaries(t, text, false) })
}

func BenchmarkSummaries10k(b *testing.B) {
	element := `{"name":"fn-03132","image":"registry.example.com/team-3/fn-03132:1.2.0","namespace":"openfaas-fn","envProcess":"node index.js",` +
		`"envVars":{"MODE":"fast","SHARD":"12"},"labels":{"com.openfaas.scale.min":"1","team":"team-3"},"annotations":{"topic":"topic-32"},` +
		`"invocationCount":600084,"replicas":4,"availableReplicas":4,"createdAt":"2026-01-04T07:16:05Z"}`
	text := "[" + strings.Repeat(element+",", 9_999) + element + "]"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if list, err := readSummaries(text); err != nil || len(list) != 10_000 {
			b.Fatal(len(list), err)
		}
	}
}
